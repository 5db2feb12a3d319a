"""Losses for MONAI trainers."""

from atso_monai.losses.coarse_fine import CoarseFineLoss
from atso_monai.losses.reduced_class import ReducedClassLoss, reduced_cross_entropy
from atso_monai.losses.soft_dice import SoftDiceLoss, soft_dice_loss

__all__ = ["CoarseFineLoss", "ReducedClassLoss", "SoftDiceLoss", "reduced_cross_entropy", "soft_dice_loss"]
