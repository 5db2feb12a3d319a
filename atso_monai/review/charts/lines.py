"""Curves over generations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from atso_monai.review.charts.frame import Frame, Scale, percent_scale
from atso_monai.review.charts.marks import marker, polyline


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: for the legend.
        colour: CSS colour.
        shape: marker, one of :data:`~atso_monai.review.charts.MARKERS`.
        points: (position, value in per cent, words shown on hovering); a point without words has no marker.
        dashed: whether the line is dashed.
        faint: one run of several, drawn thin behind the mean.
    """

    name: str
    colour: str
    shape: str
    points: tuple[tuple[float, float, str], ...]
    dashed: bool = False
    faint: bool = False


def line_chart(
    series: Sequence[Series], ticks: Sequence[tuple[float, str]], title: str, x_title: str, y_title: str
) -> Markup:
    """Curves with a marker at each value; empty where there is no value at all.

    Args:
        series: the curves, the last drawn on top.
        ticks: position and name of the marks of the horizontal axis.
        title: for screen readers.
        x_title: of the horizontal axis.
        y_title: of the vertical axis, with its unit.
    """
    values = [value for one in series for _, value, _ in one.points]
    if not values:
        return Markup("")
    low, high = ticks[0][0], ticks[-1][0]
    edge = 0.35 if high > low else 0.5
    frame = Frame(Scale(low - edge, high + edge, tuple(ticks), x_title), percent_scale(values, y_title))
    parts = [frame.axes()]
    for one in sorted(series, key=lambda s: not s.faint):
        at = [frame.at(x, y) for x, y, _ in one.points]
        parts.append(polyline(at, one.colour, 1 if one.faint else 2.4, one.dashed, 0.4 if one.faint else 1))
        if not one.faint:
            places = zip(at, one.points, strict=True)
            parts += [marker(one.shape, place, 5, one.colour, words) for place, (_, _, words) in places if words]
    said = "; ".join(
        f"{one.name}: " + ", ".join(words for _, _, words in one.points if words) for one in series if not one.faint
    )
    return frame.svg(parts, title, said)
