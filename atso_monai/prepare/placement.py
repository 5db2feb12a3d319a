"""The record of how a volume was put on the training grid, from which it finds its way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.prepare.sampling import AxisMap

Array = npt.NDArray[Any]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Placement:
    """Native grid, training grid, and the steps between: reorient to RAS, resample, crop or pad.

    Attributes:
        native_shape: voxels per axis of the file.
        native_affine: 4x4, voxel index of the file to RAS mm.
        orientation: for each native axis, the RAS axis it becomes and 1, or -1 where it is flipped.
        resampled: voxels per RAS axis after resampling; equal to the oriented shape where spacing is kept.
        offset: index of the resampled volume at which the training grid begins, per RAS axis; negative where padded.
        shape: voxels per RAS axis of the training grid.
    """

    native_shape: Triple
    native_affine: tuple[tuple[float, ...], ...]
    orientation: tuple[tuple[int, int], ...]
    resampled: Triple
    offset: Triple
    shape: Triple

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; :meth:`from_json` gives the same placement again, bit for bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Placement:
        """The placement that :meth:`to_json` described."""
        return cls(**{key: _tuples(value) for key, value in record.items()})

    @property
    def oriented_shape(self) -> Triple:
        """Voxels per RAS axis before resampling."""
        x, y, z = (self.native_shape[axis] for axis in self._native_axes)
        return x, y, z

    @property
    def interior(self) -> tuple[slice, slice, slice]:
        """The part of the training grid that holds voxels of the file; the rest is padding."""
        x, y, z = (slice(a - o, b - o) for (a, b), o in zip(self._kept, self.offset, strict=True))
        return x, y, z

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """4x4, voxel index of the training grid to RAS mm."""
        move = np.zeros((4, 4))
        move[3, 3] = 1.0
        counts = zip(self.orientation, self.native_shape, strict=True)
        for native, ((axis, sign), count) in enumerate(counts):
            scale = count / self.resampled[axis]
            first = scale * (self.offset[axis] + 0.5) - 0.5
            move[native, axis] = sign * scale
            move[native, 3] = first if sign > 0 else count - 1 - first
        return np.asarray(self.native_affine) @ move

    def oriented(self, native: Array) -> Array:
        """A view of a native array (X, Y, Z of the file) with RAS axes."""
        flips = tuple(slice(None, None, sign) for _, sign in self.orientation)
        return native[flips].transpose(self._native_axes)

    def forward(self) -> tuple[AxisMap, AxisMap, AxisMap]:
        """For each RAS axis, from the oriented volume to the training grid's interior."""
        sizes = zip(self.oriented_shape, self.resampled, self._kept, strict=True)
        x, y, z = (AxisMap(n, m, (0, n), kept) for n, m, kept in sizes)
        return x, y, z

    def backward(self) -> tuple[AxisMap, AxisMap, AxisMap]:
        """For each RAS axis, from the training grid's interior to the oriented voxels that it covers."""
        sizes = zip(self.oriented_shape, self.resampled, self._kept, strict=True)
        x, y, z = (AxisMap(m, n, kept, _covered(n, m, kept)) for n, m, kept in sizes)
        return x, y, z

    @property
    def _native_axes(self) -> Triple:
        """For each RAS axis, the native axis that becomes it."""
        x, y, z = sorted(range(3), key=lambda native: self.orientation[native][0])
        return x, y, z

    @property
    def _kept(self) -> tuple[tuple[int, int], ...]:
        """Range of the resampled volume inside the training grid, per RAS axis."""
        sizes = zip(self.offset, self.shape, self.resampled, strict=True)
        return tuple((max(0, start), min(count, start + size)) for start, size, count in sizes)


def _covered(count: int, resampled: int, kept: tuple[int, int]) -> tuple[int, int]:
    """Range of the ``count`` voxels whose centre lies in a resampled voxel of ``kept``."""
    home = (2 * np.arange(count) + 1) * resampled // (2 * count)
    first, end = np.searchsorted(home, kept)
    return int(first), int(end)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
