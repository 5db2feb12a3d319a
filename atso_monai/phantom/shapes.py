"""Solid shapes by their signed distance in mm: negative inside, positive outside, exact only near the surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from atso_monai.phantom.grid import Array, Grid, is_empty

Points = NDArray[np.float64]
REACH = 6.0  # mm around a shape where its distance is worked out; farther away it is only "outside"


class Shape(Protocol):
    """A solid with a bounding box ``low`` to ``high`` (3,) in mm."""

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm (X, Y, Z), or an array that broadcasts to it."""


@dataclass(frozen=True)
class Tube:
    """A chain of cones with round ends: vessels, bowel, ribs, the pancreas.

    Attributes:
        points: (N, 3) centre line in mm.
        radii: (N,) in mm.
        stretch: factors along x, y, z by which the cross-section is wider than ``radii``.
    """

    points: Points
    radii: Points
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        corner: Points = (self.points - self.radii[:, None] * np.array(self.stretch)).min(0)
        return corner

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        corner: Points = (self.points + self.radii[:, None] * np.array(self.stretch)).max(0)
        return corner

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm, ``REACH`` where the tube is farther away than that."""
        out = np.full(grid.shape, REACH, np.float32)
        wide = np.array(self.stretch)
        margin = (self.radii[:, None] + REACH) * wide
        lows, highs = self.points - margin, self.points + margin
        for i in range(len(self.points) - 1):
            box = grid.box(np.minimum(lows[i], lows[i + 1]), np.maximum(highs[i], highs[i + 1]))
            if not is_empty(box):
                part = out[box]
                np.minimum(part, self._piece(i, grid.cut(box), wide), out=part)
        return out

    def pieces(self, size: int) -> list[Tube]:
        """Parts of ``size`` cones that overlap by one: of a long tube, their boxes hold far less than the tube's."""
        starts = range(0, max(1, len(self.points) - 2), size)
        return [Tube(self.points[i : i + size + 2], self.radii[i : i + size + 2], self.stretch) for i in starts]

    def _piece(self, i: int, grid: Grid, wide: Points) -> Array:
        """Distance to the cone between points i and i + 1, in the space where the cross-section is round."""
        x, y, z = (offset / np.float32(w) for offset, w in zip(grid.from_point(self.points[i]), wide, strict=True))
        along = ((self.points[i + 1] - self.points[i]) / wide).astype(np.float32)
        length2 = max(float(along @ along), 1e-6)
        dot = x * along[0] + y * along[1] + z * along[2]
        t = np.clip(dot / np.float32(length2), 0, 1)
        square = x * x + y * y + z * z - t * (2 * dot - t * np.float32(length2))
        growth = np.float32(self.radii[i + 1] - self.radii[i])
        piece: Array = np.sqrt(np.maximum(square, 0)) - (np.float32(self.radii[i]) + t * growth)
        return piece


@dataclass(frozen=True)
class Ellipsoid:
    """Attributes: ``centre`` (3,) and ``semi`` axes (3,) in mm; ``turn`` (3, 3) rotation, columns are the axes."""

    centre: Points
    semi: Points
    turn: Points

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        corner: Points = self.centre - np.sqrt(((self.turn * self.semi) ** 2).sum(1))
        return corner

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        return 2 * self.centre - self.low

    def distance(self, grid: Grid) -> Array:
        """Signed distance to first order: f / |grad f| of the implicit function."""
        offsets = grid.from_point(self.centre)
        rows = (self.turn / self.semi).T.astype(np.float32)
        value, slope = np.float32(0), np.float32(1e-12)
        for row, size in zip(rows, self.semi, strict=True):
            square = (offsets[0] * row[0] + offsets[1] * row[1] + offsets[2] * row[2]) ** 2
            value = value + square
            slope = slope + square / np.float32(size**2)
        value = np.sqrt(value)
        result: Array = value * (value - 1) / np.sqrt(slope)
        return result


@dataclass(frozen=True)
class Half:
    """All that lies on the side of ``point`` where ``normal`` (unit, (3,)) points away from."""

    point: Points
    normal: Points

    @property
    def low(self) -> Points:
        """Bound only where the half-space looks along an axis."""
        return np.where(self.normal <= -1, self.point, -np.inf)

    @property
    def high(self) -> Points:
        """Bound only where the half-space looks along an axis."""
        return np.where(self.normal >= 1, self.point, np.inf)

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        x, y, z = grid.from_point(self.point)
        normal = self.normal.astype(np.float32)
        result: Array = x * normal[0] + y * normal[1] + z * normal[2]
        return result
