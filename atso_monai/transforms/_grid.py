"""What resampling along one axis does to an affine."""

from __future__ import annotations

import math

import torch
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing

from atso_monai.errors import PrepareError

_SAME = 1e-6  # relative; NIfTI keeps spacings as float32


def axis_step(native: float, distance: float) -> float:
    """How many native slices one new slice moves on: ``distance / native``, exactly 1 where they agree.

    Raises:
        PrepareError: when ``native`` is not a positive number of mm.
    """
    if not (math.isfinite(native) and native > 0):
        raise PrepareError(f"The distance between slices must be positive. Received: {native} mm. Repair the affine.")
    step = distance / native
    return 1.0 if abs(step - 1) < _SAME else step


def zoomed_affine(affine: torch.Tensor, axis: int, size: int, count: int, step: float) -> torch.Tensor:
    """The affine after ``size`` slices became ``count`` ones, ``step`` native slices apart, about the same centre."""
    zoom = torch.eye(4, dtype=torch.float64)
    zoom[axis, axis] = step
    zoom[axis, 3] = (size - 1) / 2 - (count - 1) / 2 * step
    return affine.to(torch.float64) @ zoom


def set_affine(volume: MetaTensor, affine: torch.Tensor) -> None:
    """Give ``volume`` this affine, and its ``pixdim``, where it has one, the spacing to match."""
    volume.affine = affine
    if "pixdim" in volume.meta:
        spacing = affine_to_spacing(volume.affine)
        volume.meta["pixdim"][1 : 1 + len(spacing)] = spacing
