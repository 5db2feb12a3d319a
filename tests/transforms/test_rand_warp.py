from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from atso_monai.errors import ConfigError
from atso_monai.transforms.rand_warp import RandWarpd, control_points, rotation, warp

KEYS, MODES = ("image", "label"), ("bilinear", "nearest")


def sample(size: tuple[int, int, int] = (20, 24, 16)) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    label = torch.zeros((1, *size), dtype=torch.uint8)
    label[:, 6:14, 7:15, 5:11] = 2
    return {"image": torch.rand((1, *size), generator=g), "label": label}


def test_no_strength_changes_nothing() -> None:
    data = sample()
    out = RandWarpd(KEYS, MODES)(data)
    assert torch.equal(out["label"], data["label"])
    torch.testing.assert_close(out["image"], data["image"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 4.0)])
def test_an_affine_warp_is_what_scipy_does_in_millimetres(spacing: tuple[float, float, float]) -> None:
    volume = sample()["image"]
    matrix, offset = rotation([0.1, -0.2, 0.15]) @ np.diag([1.1, 0.9, 1.05]), np.array([1.0, -0.8, 0.5])
    points = control_points(volume.shape[1:], spacing, (5, 5, 5))
    source = np.einsum("ij,jxyz->ixyz", matrix, points) + offset[:, None, None, None]
    ours = warp(volume, source, spacing, "bilinear")[0].numpy()
    scale = np.diag(spacing)
    voxels = np.linalg.inv(scale) @ matrix @ scale
    centre = (np.array(volume.shape[1:]) - 1) / 2
    shift = centre + np.linalg.inv(scale) @ offset - voxels @ centre
    theirs = ndimage.affine_transform(volume[0].numpy(), voxels, shift, order=1, mode="nearest")
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_labels_keep_their_values_and_type_and_follow_the_image() -> None:
    data = sample()
    data["image"] = (data["label"] > 0).float()
    transform = RandWarpd(KEYS, MODES, rotate=20, scale=0.2, shift=3, elastic=1)
    transform.set_random_state(seed=3)
    out = transform(data)
    assert out["label"].dtype == torch.uint8 and set(out["label"].unique().tolist()) == {0, 2}
    assert not torch.equal(out["label"], data["label"])
    assert ((out["image"] > 0.5) == (out["label"] > 0)).float().mean() > 0.97


def test_same_state_same_warp_and_inputs_stay() -> None:
    data = sample()
    before = {key: value.clone() for key, value in data.items()}
    outs = []
    for seed in (1, 1, 2):
        transform = RandWarpd(KEYS, MODES, rotate=15, scale=0.18, shift=3, elastic=1.5)
        transform.set_random_state(seed=seed)
        outs.append(transform(data))
    assert torch.equal(outs[0]["image"], outs[1]["image"]) and not torch.equal(outs[0]["image"], outs[2]["image"])
    assert all(torch.equal(data[key], before[key]) for key in KEYS)


def test_probability_zero_and_missing_keys() -> None:
    data = sample()
    assert RandWarpd(KEYS, MODES, rotate=30, prob=0.0)(data)["image"] is data["image"]
    only = {"image": data["image"]}
    assert set(RandWarpd(KEYS, MODES, rotate=30, allow_missing_keys=True)(only)) == {"image"}


@pytest.mark.parametrize("wrong", [{"mode": ("bilinear",)}, {"mode": ("cubic", "nearest")}, {"control": (1, 5, 5)}])
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="Received"):
        RandWarpd(KEYS, **{"mode": MODES, **wrong})  # type: ignore[arg-type]
