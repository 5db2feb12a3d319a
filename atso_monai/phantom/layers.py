"""Painting tissues over one another, innermost last, with soft edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.grid import Array, Grid, is_empty
from atso_monai.phantom.shapes import Shape
from atso_monai.phantom.tissue import TISSUES


@dataclass(frozen=True)
class Texture:
    """Variation of the CT value inside a tissue: ``field`` times ``gain`` HU, cut to ``low`` .. ``high`` HU."""

    field: SmoothField
    gain: float
    low: float = -2000.0
    high: float = 2000.0

    def on(self, grid: Grid) -> Array:
        """Values (X, Y, Z) in HU to add."""
        values: Array = np.clip(self.field.on(grid) * np.float32(self.gain), self.low, self.high)
        return values


@dataclass(frozen=True)
class Band:
    """One tissue of a layer.

    Attributes:
        tissue: a name of :data:`TISSUES`.
        hu: CT value.
        inset: how deep under the layer's surface it begins, in mm.
        texture: variation of the CT value, if any.
        within: where else it must lie (the gas above a fluid level), if anywhere.
    """

    tissue: str
    hu: float
    inset: float = 0.0
    texture: Texture | None = None
    within: Shape | None = None


@dataclass(frozen=True)
class Layer:
    """A solid and its bands from the surface inwards."""

    shape: Shape
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Canvas:
    """What was painted so far, sample by sample.

    Attributes:
        grid: where the samples lie.
        hu: (X, Y, Z) float32 CT value.
        tissue: (X, Y, Z) uint8 number of the tissue that fills most of the sample.
        pancreas: (X, Y, Z) float32 share of the sample that is pancreas, 0 to 1.
    """

    grid: Grid
    hu: Array
    tissue: NDArray[np.uint8]
    pancreas: Array

    @classmethod
    def blank(cls, grid: Grid) -> Canvas:
        """A canvas of air."""
        air = np.full(grid.shape, -1000, np.float32)
        return cls(grid, air, np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32))

    def paint(self, layers: Iterable[Layer]) -> None:
        """Paint ``layers`` in turn over what is there."""
        for layer in layers:
            box = self.grid.box(layer.shape.low - self.grid.edge, layer.shape.high + self.grid.edge)
            if not is_empty(box):
                self._paint(layer, Canvas(self.grid.cut(box), self.hu[box], self.tissue[box], self.pancreas[box]))

    @staticmethod
    def _paint(layer: Layer, part: Canvas) -> None:
        surface = np.broadcast_to(layer.shape.distance(part.grid), part.grid.shape)
        touched = surface < part.grid.edge / 2  # most of a box is not: work on the flat list of those samples
        surface = surface[touched]
        hu, tissue, pancreas = part.hu[touched], part.tissue[touched], part.pancreas[touched]
        for band in layer.bands:
            depth = surface + np.float32(band.inset)
            if band.within is not None:
                depth = np.maximum(depth, np.broadcast_to(band.within.distance(part.grid), touched.shape)[touched])
            share = np.clip(np.float32(0.5) - depth / np.float32(part.grid.edge), 0, 1)
            value = (
                np.float32(band.hu)
                if band.texture is None
                else band.texture.on(part.grid)[touched] + np.float32(band.hu)
            )
            hu += share * (value - hu)
            tissue[share > 0.5] = TISSUES[band.tissue]
            pancreas += (share if band.tissue == "pancreas" else np.float32(0)) - share * pancreas
        part.hu[touched], part.tissue[touched], part.pancreas[touched] = hu, tissue, pancreas
