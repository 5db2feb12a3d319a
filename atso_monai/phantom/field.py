"""Smooth random functions of place: what makes surfaces uneven and tissues textured, alike on every grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atso_monai.phantom.grid import Array, Grid

_UNIT = (
    0.4795**1.5
)  # standard deviation of a cubic B-spline over white noise, per axis squared: mean of the weights' squares


@dataclass(frozen=True)
class SmoothField:
    """Cubic B-spline over normal random knots: mean 0, standard deviation about 1, twice differentiable.

    Attributes:
        knots: (K, L, M) random values on a lattice in mm.
        origin: (3,) place of the first knot in mm.
        scale: distance of the knots in mm: how far one bump reaches.
    """

    knots: Array
    origin: NDArray[np.float64]
    scale: float

    @classmethod
    def draw(
        cls, rng: np.random.Generator, low: NDArray[np.floating], high: NDArray[np.floating], scale: float
    ) -> SmoothField:
        """Draw a field for the box from ``low`` to ``high`` (3,) in mm; outside of it the field fades to 0."""
        count = np.ceil((high - low) / scale).astype(int) + 4
        knots = rng.standard_normal(tuple(count), dtype=np.float32) / np.float32(_UNIT)
        return cls(knots, np.asarray(low, np.float64) - 1.5 * scale, scale)

    def on(self, grid: Grid) -> Array:
        """Values (X, Y, Z) on ``grid``, as three matrix products."""
        spans = [self._span(axis, i) for i, axis in enumerate((grid.x, grid.y, grid.z))]
        bx, by, bz = (self._weights(axis, i, spans[i]) for i, axis in enumerate((grid.x, grid.y, grid.z)))
        knots = self.knots[tuple(slice(*span) for span in spans)]
        k, m, n = knots.shape
        with np.errstate(invalid="ignore"):  # BLAS may compute with lanes that it then drops, whatever lay there
            part = (bx @ knots.reshape(k, m * n)).reshape(-1, m, n)
            values: Array = (by @ part) @ bz.T
        return values

    def _span(self, positions: Array, axis: int) -> tuple[int, int]:
        """First and last + 1 knot that reach ``positions``; at least one."""
        count = self.knots.shape[axis]
        first = int((positions[0] - self.origin[axis]) / self.scale) - 2
        last = int((positions[-1] - self.origin[axis]) / self.scale) + 3
        first = min(max(first, 0), count - 1)
        return first, min(max(last, first + 1), count)

    def _weights(self, positions: Array, axis: int, span: tuple[int, int]) -> Array:
        """(N, knots) B-spline weights of positions in mm along ``axis``, of the knots in ``span``."""
        offset = np.abs((positions - self.origin[axis])[:, None] / self.scale - np.arange(*span))
        near = 2 / 3 - offset**2 + offset**3 / 2
        far = np.clip(2 - offset, 0, None) ** 3 / 6
        weights: Array = np.where(offset < 1, near, far).astype(np.float32)
        return weights
