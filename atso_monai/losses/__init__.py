"""Losses."""

from atso_monai.losses.coarse_fine import CoarseFineLoss
from atso_monai.losses.soft_dice import SoftDiceLoss, soft_dice_loss

__all__ = ["CoarseFineLoss", "SoftDiceLoss", "soft_dice_loss"]
