"""One dot per case."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from atso_monai.review.charts.frame import Frame, percent_scale
from atso_monai.review.charts.marks import marker


def scatter_chart(
    points: Sequence[tuple[float, float, str]], title: str, x_title: str, y_title: str, said: str, colour: str
) -> Markup:
    """Dots at pairs of per cent values, with words shown on hovering; empty for no points."""
    if not points:
        return Markup("")
    frame = Frame(percent_scale((p[0] for p in points), x_title), percent_scale((p[1] for p in points), y_title))
    dots = [marker("circle", frame.at(x, y), 5, colour, words, 0.65) for x, y, words in points]
    return frame.svg([frame.axes(vertical_grid=True), *dots], title, said)
