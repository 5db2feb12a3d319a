"""Metrics on label volumes."""

from atso_monai.metrics.overlap import dice_scores, foreground_dice, global_dice
from atso_monai.metrics.sheet import ScoreSheet

__all__ = ["ScoreSheet", "dice_scores", "foreground_dice", "global_dice"]
