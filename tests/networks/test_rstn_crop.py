"""Boxes against brute force, and crops that lose nothing inside of them."""

from __future__ import annotations

import pytest
import torch

from atso_monai.networks.rstn_crop import (
    Box,
    Margins,
    boxes_around,
    common_box,
    crop,
    draw_margins,
    inside_boxes,
    only_inside,
    uncrop,
)


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (1, 2, 3, 4), (50, 50, 50, 50)])
def test_boxes_are_those_of_brute_force(margins: tuple[int, int, int, int]) -> None:
    mask = torch.rand((6, 3, 17, 23), generator=torch.Generator().manual_seed(0)) > 0.997
    mask[2] = False
    for item, box in zip(mask, boxes_around(mask, Margins(*margins)), strict=True):
        places = item.nonzero()[:, 1:]
        if not len(places):
            assert box is None
            continue
        (top, left), (bottom, right) = places.amin(0).tolist(), places.amax(0).tolist()
        wide = (top - margins[0], bottom + 1 + margins[1], left - margins[2], right + 1 + margins[3])
        assert box == (max(wide[0], 0), min(wide[1], 17), max(wide[2], 0), min(wide[3], 23))


@pytest.mark.parametrize("margin", [0, 3, 50])
def test_boxes_of_tensor_operations_alone_are_the_same(margin: int) -> None:
    mask = torch.rand((6, 3, 17, 23), generator=torch.Generator().manual_seed(1)) > 0.997
    mask[2] = False
    boxes = boxes_around(mask, Margins(margin, margin, margin, margin))
    assert torch.equal(inside_boxes(mask, margin).float(), only_inside(torch.ones(6, 1, 17, 23), boxes))


def test_a_common_box_holds_all_and_no_more() -> None:
    assert common_box([Box(3, 5, 7, 9), None, Box(2, 4, 8, 12)]) == Box(2, 5, 7, 12)
    assert common_box([None, None]) is None


def test_what_was_cropped_comes_back_to_its_place_and_the_rest_is_zero() -> None:
    image, boxes = torch.rand(2, 3, 12, 10) + 1, [Box(1, 5, 2, 8), None]
    before = image.clone()
    alone = only_inside(image, boxes)
    box = common_box(boxes)
    assert box is not None
    assert torch.equal(uncrop(crop(alone, box), box, 12, 10), alone)
    assert torch.equal(alone[0, :, 1:5, 2:8], image[0, :, 1:5, 2:8])
    assert int((alone != 0).sum()) == 3 * 4 * 6
    assert torch.equal(image, before)


def test_half_of_the_margins_are_drawn_each_on_its_own_between_nothing_and_twice() -> None:
    torch.manual_seed(0)
    drawn = [draw_margins(20) for _ in range(4000)]
    fixed = sum(margins == (20, 20, 20, 20) for margins in drawn)
    assert 1850 < fixed < 2150
    free = torch.tensor([m for m in drawn if m != (20, 20, 20, 20)]).float()
    assert (free.amin(0) == 0).all()
    assert (free.amax(0) == 40).all()
    assert (free.mean(0) - 20).abs().max() < 1
    assert (torch.corrcoef(free.T) - torch.eye(4)).abs().max() < 0.1


def test_the_seed_of_torch_decides_the_margins() -> None:
    torch.manual_seed(3)
    first = [draw_margins(20) for _ in range(9)]
    torch.manual_seed(3)
    assert [draw_margins(20) for _ in range(9)] == first
    assert draw_margins(0) == (0, 0, 0, 0)
