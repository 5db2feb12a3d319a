"""Crops of different sizes as one batch."""

from __future__ import annotations

import torch

from atso_monai.inferers.crops import cropped, put_back, size_batches, sizes_of
from atso_monai.networks.rstn_crop import Box

BOXES = {3: Box(0, 10, 0, 10), 4: Box(5, 20, 1, 12), 9: Box(2, 13, 4, 14), 11: Box(0, 30, 0, 40)}


def test_every_box_is_in_one_batch_of_similar_sizes() -> None:
    assert size_batches(BOXES, 8, 1.25) == [[3, 9], [4], [11]]
    assert size_batches(BOXES, 8, 100.0) == [[3, 9, 4, 11]]
    assert size_batches(BOXES, 1, 100.0) == [[3], [9], [4], [11]]
    assert size_batches({}, 8, 1.0) == []


def test_alike_boxes_share_a_batch_without_waste() -> None:
    assert size_batches({1: Box(0, 7, 0, 5), 2: Box(9, 16, 3, 8)}, 8, 1.0) == [[1, 2]]


def test_crops_begin_at_their_own_corner_and_go_back_to_it() -> None:
    images = torch.arange(2 * 2 * 8 * 9.0).reshape(2, 2, 8, 9) + 1
    boxes = [Box(1, 4, 2, 8), Box(5, 8, 6, 9)]
    crops = cropped(images, boxes)
    assert crops.shape == (2, 2, 3, 6)
    assert torch.equal(crops[0], images[0, :, 1:4, 2:8])
    assert torch.equal(crops[1, :, :, :3], images[1, :, 5:8, 6:9])
    assert (crops[1, :, :, 3:] == 0).all()
    back = put_back(crops, boxes, images.shape)
    for image, whole, box in zip(images, back, boxes, strict=True):
        inside = torch.zeros(8, 9, dtype=torch.bool)
        inside[box.top : box.bottom, box.left : box.right] = True
        assert torch.equal(whole, image * inside)


def test_sizes_are_told_where_they_differ() -> None:
    assert sizes_of([BOXES[3], BOXES[4]]) == [(10, 10), (15, 11)]
    assert sizes_of([BOXES[3], Box(4, 14, 2, 12)]) is None
