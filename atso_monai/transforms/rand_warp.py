"""Random rotation, scaling, shift and coarse elastic deformation of volumes in one resampling."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

from atso_monai.errors import ConfigError

Grid = npt.NDArray[np.float64]


def control_points(size: Sequence[int], spacing: Sequence[float], control: Sequence[int]) -> Grid:
    """Positions (3, *control) in mm, from the volume's centre, of a grid of points that spans a volume."""
    half = [(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True)]
    return np.stack(np.meshgrid(*(np.linspace(-h, h, c) for h, c in zip(half, control, strict=True)), indexing="ij"))


def rotation(angles: Sequence[float]) -> Grid:
    """Rotation matrix (3, 3) by angles in radians about axes 0, 1 and 2, in this order."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def warp(volume: torch.Tensor, source: Grid, spacing: Sequence[float], mode: str) -> torch.Tensor:
    """Resample a volume.

    Args:
        volume: (C, X, Y, Z); any dtype, which is kept.
        source: (3, a, b, c): for a coarse grid of output points, where in the input their value comes from, in mm from
            the centre; interpolated in between. Beyond the volume the value at its edge is taken.
        spacing: of the volume, mm.
        mode: ``bilinear`` for images, ``nearest`` for labels.
    """
    size = tuple(volume.shape[1:])
    half = np.array([max(n - 1, 1) / 2 * s for n, s in zip(size, spacing, strict=True)])
    # grid_sample counts axes from the last to the first, in -1 .. 1 between the outer voxel centres
    where = torch.from_numpy((source / half[:, None, None, None])[::-1].copy()).float()[None]
    grid = F.interpolate(where, size=size, mode="trilinear", align_corners=True).movedim(1, -1)
    moved = F.grid_sample(volume[None].float(), grid, mode=mode, padding_mode="border", align_corners=True)[0]
    return moved.to(volume.dtype)


class RandWarpd(RandomizableTransform, MapTransform):
    """Rotate, scale, shift and bend volumes together, by one resampling along a coarse grid of control points.

    It does what MONAI's ``RandAffined`` and ``RandSmoothDeformd`` do one after the other, in about half of their time
    (``benchmarks/augmentation.py``) and with one interpolation instead of two.

    Args:
        keys: volumes (C, X, Y, Z) of one size, warped alike.
        mode: ``bilinear`` or ``nearest`` for each key.
        rotate: largest angle about each axis, in degrees.
        scale: largest relative change of size per axis, e.g. 0.18.
        shift: largest shift per axis, in mm.
        elastic: standard deviation of the control points' displacements per axis, in mm.
        control: control points per axis.
        spacing: of the volumes, in mm.
        prob: probability that anything is done.
        allow_missing_keys: skip keys that are not there.

    Raises:
        ConfigError: for a mode that is not one of the two, or fewer than two control points.
    """

    def __init__(
        self,
        keys: KeysCollection,
        mode: Sequence[str],
        rotate: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        elastic: float = 0.0,
        control: Sequence[int] = (5, 5, 5),
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        if len(mode) != len(self.keys) or not set(mode) <= {"bilinear", "nearest"}:
            raise ConfigError(f"mode must be bilinear or nearest, one for each of {self.keys}. Received: {mode!r}.")
        if len(control) != 3 or min(control) < 2:
            raise ConfigError(f"control must be three numbers of at least 2. Received: {control!r}.")
        self.mode, self.rotate, self.scale = tuple(mode), rotate, scale
        self.shift, self.elastic = shift, elastic
        self.control, self.spacing = tuple(control), tuple(spacing)

    def randomize(self, data: Any = None) -> None:
        """Draw the parameters of one call."""
        super().randomize(None)
        angles = self.R.uniform(-self.rotate, self.rotate, 3)
        factors = 1 + self.R.uniform(-self.scale, self.scale, 3)
        self._matrix = rotation(np.deg2rad(angles)) @ np.diag(factors)
        self._offset = self.R.uniform(-self.shift, self.shift, 3)
        self._bumps = self.R.normal(0.0, 1.0, (3, *self.control)) * self.elastic

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Warp the volumes of ``data``; new tensors are returned."""
        result = dict(data)
        self.randomize()
        if not self._do_transform:
            return result
        for key, mode in self.key_iterator(result, self.mode):
            points = control_points(result[key].shape[1:], self.spacing, self.control)
            source = np.einsum("ij,jxyz->ixyz", self._matrix, points) + self._offset[:, None, None, None] + self._bumps
            result[key] = warp(torch.as_tensor(result[key]), source, self.spacing, mode)
        return result
