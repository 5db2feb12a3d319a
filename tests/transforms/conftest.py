"""Grids and kinds of array that the tests of all transforms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta


@pytest.fixture
def grid() -> Callable[..., np.ndarray]:
    """A function that draws an affine of given spacing: rotated, mirrored, moved, and sheared if asked."""

    def draw(rng: np.random.Generator, spacing: tuple[float, float, float], sheared: bool = False) -> np.ndarray:
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        axes = rotation * rng.choice([-1, 1], 3)
        if sheared:
            axes = axes + 0.2 * rng.uniform(-1, 1, (3, 3))
            axes /= np.linalg.norm(axes, axis=0)
        affine = np.eye(4)
        affine[:3, :3] = axes * spacing
        affine[:3, 3] = rng.uniform(-200, 200, 3)
        return affine

    return draw


@pytest.fixture(params=["numpy", "tensor", "meta"])
def as_kind(request: pytest.FixtureRequest) -> Callable[..., np.ndarray | torch.Tensor]:
    """A function that makes an array of one of the three kinds; a MetaTensor gets the affine and a file name."""

    def convert(array: np.ndarray, affine: np.ndarray | None = None) -> np.ndarray | torch.Tensor:
        if request.param == "numpy":
            return array.copy()
        tensor = torch.from_numpy(array.copy())
        if request.param == "tensor":
            return tensor
        affine = np.diag([1.0, 1.0, 3.0, 1.0]) if affine is None else affine
        return MetaTensor(tensor, affine=torch.from_numpy(affine), meta={"filename_or_obj": "case.nii.gz"})

    return convert


@pytest.fixture
def untracked() -> Iterator[None]:
    """MONAI's process-wide switch for metadata, off."""
    set_track_meta(False)
    yield
    set_track_meta(True)
