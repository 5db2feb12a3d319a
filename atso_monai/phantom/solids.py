"""Solids made from other solids: smooth union, common part, complement, inset, and an uneven surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.grid import Array, Grid
from atso_monai.phantom.shapes import Points, Shape


@dataclass(frozen=True)
class Joined:
    """Union of ``parts``, with fillets of about ``blend`` mm where they meet."""

    parts: tuple[Shape, ...]
    blend: float

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        corner: Points = np.min([part.low for part in self.parts], axis=0) - self.blend / 4
        return corner

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        corner: Points = np.max([part.high for part in self.parts], axis=0) + self.blend / 4
        return corner

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        return reduce(lambda a, b: smooth_min(a, b, self.blend), (part.distance(grid) for part in self.parts))


@dataclass(frozen=True)
class Common:
    """What lies in all ``parts``, with edges rounded over about ``blend`` mm."""

    parts: tuple[Shape, ...]
    blend: float

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        corner: Points = np.max([part.low for part in self.parts], axis=0)
        return corner

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        corner: Points = np.min([part.high for part in self.parts], axis=0)
        return corner

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        return -reduce(lambda a, b: smooth_min(a, b, self.blend), (-part.distance(grid) for part in self.parts))


@dataclass(frozen=True)
class Outside:
    """Everything that is not in ``shape``, nor closer than ``gap`` mm to it."""

    shape: Shape
    gap: float = 0.0

    @property
    def low(self) -> Points:
        """Without bound."""
        return np.full(3, -np.inf)

    @property
    def high(self) -> Points:
        """Without bound."""
        return np.full(3, np.inf)

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        return np.float32(self.gap) - self.shape.distance(grid)


@dataclass(frozen=True)
class Inset:
    """``shape`` shrunk by ``depth`` mm (grown where negative)."""

    shape: Shape
    depth: float

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        return self.shape.low + self.depth

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        return self.shape.high - self.depth

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        return self.shape.distance(grid) + np.float32(self.depth)


@dataclass(frozen=True)
class Rough:
    """``shape`` with a surface moved in and out by ``field`` times ``amplitude`` mm."""

    shape: Shape
    field: SmoothField
    amplitude: float

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates."""
        return self.shape.low - 2.5 * self.amplitude

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates."""
        return self.shape.high + 2.5 * self.amplitude

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm."""
        bumps = np.clip(self.field.on(grid), -2.5, 2.5) * np.float32(self.amplitude)
        return self.shape.distance(grid) + bumps


def smooth_min(a: Array, b: Array, blend: float) -> Array:
    """The smaller of two distances, rounded where they differ by less than ``blend`` mm.

    Source: the quadratic polynomial smooth minimum of I. Quilez, https://iquilezles.org/articles/smin.
    """
    if blend <= 0:
        return np.minimum(a, b)
    near = np.clip(1 - np.abs(a - b) / np.float32(blend), 0, None)
    result: Array = np.minimum(a, b) - near * near * np.float32(blend / 4)
    return result
