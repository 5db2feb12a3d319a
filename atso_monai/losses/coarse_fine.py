"""One loss for a coarse and a fine segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from atso_monai.losses.soft_dice import SoftDiceLoss


class CoarseFineLoss(nn.Module):
    """Weighted sum of the losses of a coarse and a fine segmentation with the same target.

    Source: Yu et al., CVPR 2018 (arXiv:1709.04518), equation 5, with the weights 1/3 and 2/3 of OrganSegRSTN.

    Args:
        loss: of one of them, called with (prediction, target); None for :class:`SoftDiceLoss`. It gets what the
            network gives: probabilities, with :class:`~atso_monai.networks.RSTN`.
        coarse_weight: share of the coarse one, in [0, 1]; the rest is the fine one's.

    Raises:
        ValueError: for another share.
    """

    def __init__(self, loss: nn.Module | None = None, coarse_weight: float = 1 / 3) -> None:
        super().__init__()
        if not 0 <= coarse_weight <= 1:
            raise ValueError(f"coarse_weight must be a share from 0 to 1. Received: {coarse_weight}.")
        self.loss = SoftDiceLoss() if loss is None else loss
        self.coarse_weight = coarse_weight

    def forward(self, prediction: Sequence[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        """Loss of a pair ``(coarse, fine)`` and a target, all of the shape that ``loss`` takes."""
        coarse, fine = prediction
        both: torch.Tensor = self.coarse_weight * self.loss(coarse, target) + (1 - self.coarse_weight) * self.loss(
            fine, target
        )
        return both
