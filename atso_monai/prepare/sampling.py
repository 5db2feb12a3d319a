"""Linear and nearest resampling of one volume along its axes, in slabs, over the same physical extent.

``source`` voxels become ``target`` voxels between the same two outer edges, so voxel i of the target lies at
``(i + 0.5) * source / target - 0.5`` of the source (``grid_mode`` of scipy.ndimage.zoom, ``align_corners=False`` of
torch). Beyond the first and last voxel centre the edge value holds. There is no smoothing before a reduction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SLAB_VOXELS = 1 << 21


@dataclass(frozen=True)
class AxisMap:
    """Where the voxels of one axis come from.

    Attributes:
        source: voxels of the whole source axis.
        target: voxels of the whole target axis.
        available: first and end index of the source voxels that the array holds.
        wanted: first and end index of the target voxels to make.
    """

    source: int
    target: int
    available: tuple[int, int]
    wanted: tuple[int, int]

    @property
    def same(self) -> bool:
        """Whether voxels are only selected, not interpolated."""
        return self.source == self.target

    @property
    def length(self) -> int:
        """Number of wanted voxels."""
        return self.wanted[1] - self.wanted[0]

    def part(self, start: int, stop: int) -> AxisMap:
        """The map of wanted voxels ``start`` to ``stop``, counted from the first wanted one."""
        first = self.wanted[0]
        return AxisMap(self.source, self.target, self.available, (first + start, first + stop))

    def nearest(self) -> npt.NDArray[np.intp]:
        """Index, into the array held, of the source voxel that holds each wanted voxel's centre."""
        target = np.arange(*self.wanted)
        return self._held((2 * target + 1) * self.source // (2 * self.target))

    def linear(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        """Indices of the two neighbours of each wanted voxel, and the weight of the upper one, in [0, 1)."""
        place = (np.arange(*self.wanted) + 0.5) * (self.source / self.target) - 0.5
        lower = np.floor(place).astype(np.intp)
        return self._held(lower), self._held(lower + 1), (place - lower).astype(np.float32)

    def _held(self, index: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        first, end = self.available
        return np.asarray(index.clip(first, end - 1) - first, dtype=np.intp)


def resample_nearest(array: Array, maps: Sequence[AxisMap]) -> Array:
    """The wanted voxels of ``array`` (..., X, Y, Z), each with the value of the nearest one held; the same dtype."""
    for axis, one in enumerate(maps, start=array.ndim - len(maps)):
        array = _slice(array, one, axis) if one.same else array.take(one.nearest(), axis=axis)
    return array


def resample_linear(array: Array, maps: Sequence[AxisMap]) -> Iterator[tuple[slice, Array]]:
    """The wanted voxels of ``array`` (..., X, Y, Z) by trilinear interpolation, in slabs along X.

    Yields:
        The slab's place among the wanted voxels along X, and the slab (..., x, Y, Z): float32 where any axis is
        interpolated, else as it was.
    """
    size = max(1, int(np.prod(array.shape[:-3]))) * maps[1].length * maps[2].length
    step = max(1, _SLAB_VOXELS // max(1, size))
    for start in range(0, maps[0].length, step):
        stop = min(start + step, maps[0].length)
        slab = array
        for axis, one in enumerate((maps[0].part(start, stop), *maps[1:]), start=array.ndim - 3):
            slab = _slice(slab, one, axis) if one.same else _interpolate(slab, one, axis)
        yield slice(start, stop), slab


def _slice(array: Array, one: AxisMap, axis: int) -> Array:
    first = one.available[0]
    return array[(slice(None),) * axis + (slice(one.wanted[0] - first, one.wanted[1] - first),)]


def _interpolate(array: Array, one: AxisMap, axis: int) -> Array:
    lower, upper, weight = one.linear()
    out = array.take(lower, axis=axis).astype(np.float32, copy=False)
    change = array.take(upper, axis=axis).astype(np.float32, copy=False)
    change -= out
    change *= weight.reshape((-1,) + (1,) * (array.ndim - axis - 1))
    out += change
    return out
