"""Metrics on label volumes and pictures."""

from atso_monai.metrics.confusion import class_iou, confusion_matrix, mean_iou
from atso_monai.metrics.iou_sheet import IouSheet
from atso_monai.metrics.overlap import dice_scores, foreground_dice, global_dice
from atso_monai.metrics.sheet import ScoreSheet, Sheet
from atso_monai.metrics.surface import SurfaceDistances, class_surface_distances, surface_distances

__all__ = [
    "IouSheet",
    "ScoreSheet",
    "Sheet",
    "SurfaceDistances",
    "class_iou",
    "class_surface_distances",
    "confusion_matrix",
    "dice_scores",
    "foreground_dice",
    "global_dice",
    "mean_iou",
    "surface_distances",
]
