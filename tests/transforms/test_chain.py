"""The transforms in one chain, from scans of any grid to slices, and predictions back through three views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureTyped, Flipd, Invertd, Orientationd, Transform

from atso_monai.transforms import FuseViewsd, KeepComponentsd, MapLabelsd, NormalizeSliceSpacingd, SliceViewd


def ball(shape: tuple[int, ...]) -> torch.Tensor:
    grid = torch.meshgrid(*[torch.linspace(-1, 1, size) for size in shape], indexing="ij")
    return (sum(axis**2 for axis in grid) < 0.5)[None].to(torch.uint8)


def chain(view: str) -> Compose:
    steps: list[Transform] = [
        EnsureTyped("image"),
        Orientationd("image", "RAS", labels=None),
        NormalizeSliceSpacingd("image", 2.0),
        SliceViewd("image", view),
    ]
    return Compose(steps)


@pytest.mark.parametrize("seed", range(6))
def test_three_views_come_back_to_the_native_grid(seed: int, grid: Any) -> None:
    rng = np.random.default_rng(seed)
    affine = torch.from_numpy(grid(rng, (0.8, 1.1, 4.5)))[:, [*rng.permutation(3), 3]]
    label = ball(tuple(int(n) for n in rng.integers(8, 16, 3)))
    image = MetaTensor(label.float(), affine=affine)
    data: dict[Any, Any] = {}
    for view in ("sagittal", "coronal", "axial"):
        sliced = chain(view)
        item = sliced({"image": image})
        inside = (item["image"][:, 1:2] > 0.5).float()
        item["pred"] = torch.cat([1 - inside, inside], 1)
        data[view] = Invertd("pred", sliced, orig_keys="image", nearest_interp=False)(item)["pred"]
        assert torch.allclose(data[view].affine, affine, atol=1e-9)  # Orientationd leaves a last bit
    post = Compose(
        [
            FuseViewsd(["sagittal", "coronal", "axial"], "vote", "label"),
            KeepComponentsd("label"),
            MapLabelsd("label", {0: 0, 1: 7}),
        ]
    )
    out = post(data)["label"]
    assert out.shape == label.shape and torch.allclose(out.affine, affine, atol=1e-9)
    overlap = 2 * torch.sum((out == 7) & (label == 1)) / (torch.sum(out == 7) + torch.sum(label))
    assert overlap > 0.8


def test_a_lazy_compose_applies_what_is_pending_first() -> None:
    image = MetaTensor(torch.rand(1, 3, 4, 9), affine=torch.diag(torch.tensor([1, 1, 3.0, 1])))
    steps = [Flipd("image", 0), NormalizeSliceSpacingd("image", 2.0), SliceViewd("image", "axial")]
    lazy, eager = Compose(steps, lazy=True)({"image": image})["image"], Compose(steps)({"image": image})["image"]
    assert torch.allclose(lazy.as_tensor(), eager.as_tensor(), atol=1e-6)
    assert torch.allclose(lazy.affine, eager.affine)
