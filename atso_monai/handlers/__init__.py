"""Handlers for MONAI (ignite) engines."""

from atso_monai.handlers.finite_loss import FiniteLoss
from atso_monai.handlers.label_saver import LabelSaver
from atso_monai.handlers.progress import Progress, read_progress
from atso_monai.handlers.snapshot import Snapshot
from atso_monai.handlers.stages import RSTNStages

__all__ = ["FiniteLoss", "LabelSaver", "Progress", "RSTNStages", "Snapshot", "read_progress"]
