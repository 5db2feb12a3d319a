"""Soft Dice loss of binary targets, over all channels and pixels of an item at once."""

from __future__ import annotations

import torch
from torch import nn


def soft_dice_loss(probabilities: torch.Tensor, target: torch.Tensor, smooth: float = 1e-6) -> torch.Tensor:
    """One minus the soft Dice coefficient, averaged over the batch: a number in [0, 1].

    ``1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)``, sums over channels and pixels of an item, in float32.
    Source: the loss of OrganSegRSTN (Yu et al., CVPR 2018). MONAI's DiceLoss averages over channels instead.

    Args:
        probabilities: (N, ...), in [0, 1].
        target: the same shape, in [0, 1], of any type.
        smooth: makes an empty target that is predicted empty a loss of 0.

    Raises:
        ValueError: for other shapes, or target values out of [0, 1].
    """
    if probabilities.shape != target.shape or target.ndim < 2:
        raise ValueError(
            "probabilities and target must have one shape (N, ...). "
            f"Received: {tuple(probabilities.shape)} and {tuple(target.shape)}."
        )
    p, t = probabilities.flatten(1).float(), target.flatten(1).float()
    if bool(((t < 0) | (t > 1)).any()):
        raise ValueError(
            f"target must be 0 or 1. Received: values from {float(t.min()):g} to {float(t.max()):g}. "
            "Merge the classes of the labels to one."
        )
    dice = (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)
    return (1 - dice).mean()


class SoftDiceLoss(nn.Module):
    """:func:`soft_dice_loss` as a module, for configurations.

    Args:
        smooth: see there.
    """

    def __init__(self, smooth: float = 1e-6) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, probabilities: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of (N, ...) probabilities and targets, a number."""
        return soft_dice_loss(probabilities, target, self.smooth)
