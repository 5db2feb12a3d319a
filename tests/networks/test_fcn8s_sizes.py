"""FCN8s on crops of different sizes in one batch against each crop alone."""

from __future__ import annotations

import pytest
import torch

from atso_monai.networks import FCN8s

SIZES = [(70, 40), (64, 47), (33, 64), (70, 64), (1, 5)]


@pytest.mark.parametrize("padding", ["same", "caffe"])
def test_crops_of_different_sizes_come_out_as_if_alone(padding: str) -> None:
    torch.manual_seed(0)
    network = FCN8s(3, 2, [4, 5, 6, 7, 8], [2, 1, 1, 2, 1], 9, padding=padding).eval()
    for name, value in network.named_parameters():
        if name.startswith("score") or name.endswith("bias"):
            torch.nn.init.normal_(value)
    images = [torch.rand(1, 3, *size) for size in SIZES]
    # what lies beyond an item's own size is anything but zero
    batch = torch.full((len(SIZES), 3, 70, 64), 5.0)
    for item, image, (height, width) in zip(batch, images, SIZES, strict=True):
        item[:, :height, :width] = image[0]
    before = batch.clone()
    with torch.no_grad():
        found = network(batch, SIZES)
        for item, image, (height, width) in zip(found, images, SIZES, strict=True):
            torch.testing.assert_close(item[:, :height, :width], network(image)[0], atol=1e-5, rtol=1e-4)
    assert torch.equal(batch, before)
