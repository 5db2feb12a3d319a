"""The frame of a chart: scales, axes with titles, and the words for those who do not see it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from atso_monai.review.charts.marks import line, text


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes:
        low: value at its beginning.
        high: value at its end.
        ticks: (value, words) of its marks.
        title: what it shows, with the unit.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str


def percent_scale(values: Iterable[float], title: str) -> Scale:
    """A scale in per cent from a round number below the values to a round one above; at most 0 to 100.

    Args:
        values: in per cent.
        title: what the axis shows.
    """
    known = list(values) or [0.0, 100.0]
    span = max(max(known) - min(known), 4.0)
    step = next(s for s in (1, 2, 5, 10, 20, 25) if span / s <= 6 or s == 25)
    low = max(0, step * math.floor((min(known) - 0.02 * span) / step))
    high = min(100, step * math.ceil((max(known) + 0.02 * span) / step))
    low = max(0, min(low, high - 4 * step))
    high = max(high, low + 4 * step)
    ticks = tuple((float(v), f"{v:g}") for v in range(int(low), int(high) + 1, step))
    return Scale(low, high, ticks, title)


@dataclass(frozen=True)
class Frame:
    """A drawing area with two scales, in SVG units; y grows upwards.

    Attributes:
        x: the horizontal scale.
        y: the vertical scale.
        width: of the whole drawing.
        height: of the whole drawing.
        left: room for the vertical axis.
        bottom: room for the horizontal axis.
        right: room at the right.
        top: room at the top.
    """

    x: Scale
    y: Scale
    width: float = 460
    height: float = 310
    left: float = 56
    bottom: float = 48
    right: float = 14
    top: float = 10

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pair of values lies."""
        inner, tall = self.width - self.left - self.right, self.height - self.top - self.bottom
        return (
            self.left + inner * (x - self.x.low) / (self.x.high - self.x.low),
            self.height - self.bottom - tall * (y - self.y.low) / (self.y.high - self.y.low),
        )

    def axes(self, vertical_grid: bool = False, y_names: bool = True) -> str:
        """Grid, marks and titles."""
        bottom, left = self.height - self.bottom, self.left
        parts = []
        for value, words in self.y.ticks:
            y = self.at(self.x.low, value)[1]
            parts.append(line((left, y), (self.width - self.right, y), "grid"))
            parts.append(text((left - 8, y + 4.5), words, "end") if y_names else "")
        for value, words in self.x.ticks:
            x = self.at(value, self.y.low)[0]
            parts.append(line((x, bottom), (x, self.top if vertical_grid else bottom + 4), "grid"))
            parts.append(text((x, bottom + 18), words))
        parts.append(line((left, bottom), (self.width - self.right, bottom), "axis"))
        middle = (self.top + bottom) / 2
        parts.append(text(((left + self.width - self.right) / 2, self.height - 8), self.x.title, kind="title"))
        turned = f' transform="rotate(-90 14 {middle:.1f})"'
        parts.append(text((14, middle), self.y.title, kind="title", extra=turned) if self.y.title else "")
        return "".join(parts)

    def svg(self, parts: Sequence[str], title: str, description: str) -> Markup:
        """The chart; ``title`` and ``description`` are what a screen reader says."""
        number = f"{zlib.crc32(f'{title}{description}{len(parts)}'.encode()):08x}"
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-labelledby="t{number} d{number}"><title id="t{number}">{escape(title)}</title>'
            f'<desc id="d{number}">{escape(description)}</desc>{"".join(parts)}</svg>'
        )
