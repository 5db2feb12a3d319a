"""The places where anatomy is sampled: an axis-aligned grid in mm, and boxes cut from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """Centres of the samples along each RAS axis, and how wide the edge of a tissue is drawn.

    Attributes:
        x: (X,) ascending positions in mm, towards the patient's right.
        y: (Y,) ascending positions in mm, towards the front.
        z: (Z,) ascending positions in mm, towards the head.
        edge: width in mm over which a tissue fades into the next one: that of one sample (partial volume).
    """

    x: Array
    y: Array
    z: Array
    edge: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of samples along each axis."""
        return len(self.x), len(self.y), len(self.z)

    def box(self, low: NDArray[np.floating], high: NDArray[np.floating]) -> Box:
        """Slices of the samples between the corners ``low`` and ``high`` (3,) in mm; empty where there are none."""
        return _between(self.x, low[0], high[0]), _between(self.y, low[1], high[1]), _between(self.z, low[2], high[2])

    def cut(self, box: Box) -> Grid:
        """The part of the grid inside ``box``; shares memory."""
        return Grid(self.x[box[0]], self.y[box[1]], self.z[box[2]], self.edge)

    def from_point(self, point: NDArray[np.floating]) -> tuple[Array, Array, Array]:
        """Offsets from ``point`` in mm, shaped (X, 1, 1), (1, Y, 1) and (1, 1, Z) to broadcast."""
        p = point.astype(np.float32)
        return (self.x - p[0])[:, None, None], (self.y - p[1])[None, :, None], (self.z - p[2])[None, None, :]


def is_empty(box: Box) -> bool:
    """Whether ``box`` holds no sample."""
    return any(side.stop <= side.start for side in box)


def _between(axis: Array, low: float, high: float) -> slice:
    # Single precision: searching float32 for a float64 converts the whole axis each time.
    return slice(int(axis.searchsorted(np.float32(low))), int(axis.searchsorted(np.float32(high), side="right")))


def sample_grid(shape: tuple[int, ...], spacing: tuple[float, ...], finer: tuple[int, ...] = (1, 1, 1)) -> Grid:
    """Grid centred on the origin.

    Args:
        shape: number of voxels along each RAS axis.
        spacing: voxel size in mm.
        finer: samples per voxel along each axis, evenly spread over the voxel.
    """
    axes = [_axis(n * f, d / f) for n, d, f in zip(shape, spacing, finer, strict=True)]
    sides = np.divide(spacing, finer)
    return Grid(axes[0], axes[1], axes[2], edge=float(np.cbrt(sides.prod())))


def _axis(count: int, step: float) -> Array:
    return ((np.arange(count) - (count - 1) / 2) * step).astype(np.float32)
