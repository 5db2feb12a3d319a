"""Checkpoints inside a training: written while it runs, taken up again by the same training and no other."""

from atso_monai.checkpoint.folder import FOLDER, Checkpoint, CheckpointFolder
from atso_monai.checkpoint.handler import Interval, TrainingCheckpoint, stateful
from atso_monai.checkpoint.loader import ResumableLoader, resumable

__all__ = [
    "FOLDER", "Checkpoint", "CheckpointFolder", "Interval", "ResumableLoader", "TrainingCheckpoint", "resumable",
    "stateful",
]  # fmt: skip
