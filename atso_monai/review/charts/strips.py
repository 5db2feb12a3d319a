"""Distributions over cases: every case a dot, median and quartiles as a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from atso_monai.review.charts.frame import Frame, Scale, percent_scale
from atso_monai.review.charts.marks import line, marker, text

ROW = 46.0


@dataclass(frozen=True)
class Strip:
    """One row.

    Attributes:
        name: what it shows.
        colour: CSS colour.
        values: (value in per cent, case) of each case.
    """

    name: str
    colour: str
    values: tuple[tuple[float, str], ...]


def strip_chart(strips: Sequence[Strip], title: str, x_title: str) -> Markup:
    """Rows of dots over a common axis, each under its name, number of cases and median; empty for no values."""
    shown = [strip for strip in strips if strip.values]
    if not shown:
        return Markup("")
    x = percent_scale((value for strip in shown for value, _ in strip.values), x_title)
    frame = Frame(x, Scale(0, len(shown), (), ""), height=58 + ROW * len(shown), left=14)
    parts, said = [frame.axes(vertical_grid=True)], []
    for row, strip in enumerate(shown):
        parts.append(_row(frame, strip, len(shown) - row - 0.68, len(shown) - row - 0.24))
        low, middle, high = _quartiles(strip)
        said.append(f"{strip.name}: n {len(strip.values)}, median {middle:.1f}, quartiles {low:.1f} to {high:.1f}")
    return frame.svg(parts, title, "; ".join(said))


def _quartiles(strip: Strip) -> tuple[float, float, float]:
    low, middle, high = np.percentile([value for value, _ in strip.values], [25, 50, 75])
    return float(low), float(middle), float(high)


def _row(frame: Frame, strip: Strip, height: float, words: float) -> str:
    low, middle, high = _quartiles(strip)
    (left, y), (right, _), (centre, _) = frame.at(low, height), frame.at(high, height), frame.at(middle, height)
    name = f"{strip.name} · n = {len(strip.values)} · median {middle:.1f}"
    box = f'<rect class="box" x="{left:.1f}" y="{y - 9:.1f}" width="{max(right - left, 1):.1f}" height="18"/>'
    dots = [
        marker(
            "circle", (frame.at(value, height)[0], y + _jitter(number)), 3.6, strip.colour, f"{case}: {value:.1f}", 0.6
        )
        for number, (value, case) in enumerate(strip.values)
    ]
    start = (frame.left, frame.at(0, words)[1])
    return "".join([text(start, name, "start", "name"), box, *dots, line((centre, y - 12), (centre, y + 12), "median")])


def _jitter(number: int) -> float:
    """A height that spreads dots, the same each time (golden ratio sequence)."""
    return 12 * ((number * 0.618034) % 1 - 0.5)
