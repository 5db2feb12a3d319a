from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss

from atso_monai.losses import CoarseFineLoss, soft_dice_loss
from atso_monai.networks import CoarseFine


def test_a_third_is_the_coarse_ones_and_the_rest_the_fine_ones() -> None:
    coarse, fine, target = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5), torch.ones(2, 3, 5, 5)
    expected = soft_dice_loss(coarse, target) / 3 + 2 * soft_dice_loss(fine, target) / 3
    torch.testing.assert_close(CoarseFineLoss()(CoarseFine(coarse, fine), target), expected)
    torch.testing.assert_close(CoarseFineLoss(coarse_weight=1)((coarse, fine), target), soft_dice_loss(coarse, target))


def test_any_loss_can_be_weighed() -> None:
    pair, target = (torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)), torch.ones(2, 3, 5, 5)
    expected = (DiceLoss()(pair[0], target) + DiceLoss()(pair[1], target)) / 2
    torch.testing.assert_close(CoarseFineLoss(DiceLoss(), coarse_weight=0.5)(pair, target), expected)


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_a_weight_that_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="coarse_weight must be a share from 0 to 1"):
        CoarseFineLoss(coarse_weight=weight)
