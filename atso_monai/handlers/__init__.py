"""Handlers for MONAI (ignite) engines."""

from atso_monai.handlers.finite_loss import FiniteLoss
from atso_monai.handlers.label_saver import LabelSaver
from atso_monai.handlers.loss_curve import LossCurve, read_losses
from atso_monai.handlers.pace import Measured, Pace, read_measured
from atso_monai.handlers.progress import Progress, read_progress
from atso_monai.handlers.snapshot import Snapshot
from atso_monai.handlers.stages import RSTNStages

__all__ = [
    "FiniteLoss", "LabelSaver", "LossCurve", "Measured", "Pace", "Progress", "RSTNStages", "Snapshot", "read_losses",
    "read_measured", "read_progress",
]  # fmt: skip
