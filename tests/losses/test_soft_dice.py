from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss

from atso_monai.losses import SoftDiceLoss, soft_dice_loss


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((4, 3, 9, 7), generator=generator), (torch.rand((4, 3, 9, 7), generator=generator) > 0.7).long()


def test_it_is_monais_dice_loss_of_all_channels_as_one() -> None:
    p, t = pair()
    expected = DiceLoss(smooth_nr=1e-6, smooth_dr=1e-6)(p.reshape(4, 1, -1), t.reshape(4, 1, -1).float())
    torch.testing.assert_close(soft_dice_loss(p, t), expected)
    torch.testing.assert_close(SoftDiceLoss()(p, t), expected)


def test_right_is_zero_wrong_is_one_and_empty_is_right_when_empty() -> None:
    _, t = pair()
    assert float(soft_dice_loss(t.float(), t)) == pytest.approx(0, abs=1e-6)
    assert float(soft_dice_loss(1 - t.float(), t)) == pytest.approx(1, abs=1e-6)
    assert float(soft_dice_loss(torch.zeros(2, 3), torch.zeros(2, 3))) == 0


def test_items_weigh_alike_whatever_their_size() -> None:
    p, t = pair()
    alone = torch.stack([soft_dice_loss(p[i : i + 1], t[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(soft_dice_loss(p, t), alone.mean())


def test_half_precision_is_summed_in_float32() -> None:
    p = torch.full((1, 3, 512, 512), 0.3, dtype=torch.bfloat16)
    loss = soft_dice_loss(p, torch.ones_like(p))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(1 - 2 * 0.3 / 1.3, abs=1e-3)


def test_other_shapes_and_other_labels_are_refused() -> None:
    p, t = pair()
    with pytest.raises(ValueError, match=r"one shape \(N, ...\)\. Received: \(4, 3, 9, 7\) and \(4, 1, 9, 7\)"):
        soft_dice_loss(p, t[:, :1])
    with pytest.raises(ValueError, match=r"target must be 0 or 1\. Received: values from 0 to 2"):
        soft_dice_loss(p, 2 * t)
