from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from atso_monai.review.charts import (
    MARKERS,
    Frame,
    Scale,
    Series,
    Strip,
    line_chart,
    percent_scale,
    scatter_chart,
    strip_chart,
)


def parsed(chart: Markup) -> ET.Element:
    return ET.fromstring(chart)


def test_values_lie_where_the_axes_say() -> None:
    frame = Frame(Scale(0, 10, (), "x"), Scale(50, 100, (), "y"))
    left, bottom = frame.at(0, 50)
    right, top = frame.at(10, 100)
    assert frame.at(5, 75) == pytest.approx(((left + right) / 2, (bottom + top) / 2))
    assert (left, bottom) == (frame.left, frame.height - frame.bottom)
    assert top < bottom


@pytest.mark.parametrize("values", [[84.6, 87.5], [0, 100], [0, 0], [100, 100], [], [3.2], [99.9, 99.95], [31, 74]])
def test_scales_hold_all_values_and_stay_within_per_cent(values: list[float]) -> None:
    scale = percent_scale(values, "DSC, %")
    assert 0 <= scale.low < scale.high <= 105
    assert all(scale.low <= value <= scale.high for value in values)
    assert 2 <= len(scale.ticks) <= 9
    assert all(scale.low <= at <= scale.high and float(words) == at for at, words in scale.ticks)


def test_lines_have_titles_legends_and_words_for_each_value() -> None:
    series = [
        Series("A & B", "#000", "circle", ((0, 50, "generation 0 50.0 (n = 3)"), (1, 60, "generation 1 60.0"))),
        Series("flat", "#00f", "bar", ((0, 55, ""), (1, 55, "55.0")), dashed=True),
        Series("A & B", "#000", "circle", ((0, 49, "a run"),), faint=True),
    ]
    chart = line_chart(series, [(0, "0"), (1, "final")], "DSC over generations", "generation", "DSC, %")
    root = parsed(chart)
    texts = "".join(root.itertext())
    assert {"DSC, %", "generation", "final"} <= set(root.itertext())
    assert "A & B: generation 0 50.0 (n = 3), generation 1 60.0" in texts
    assert "a run" not in texts
    assert len(root.findall(".//{*}path") or root.findall(".//path")) == 3  # no marker where nothing was measured
    assert "stroke-dasharray" in chart


def test_one_dot_per_case() -> None:
    points = [(90.0, 80.0, "case <1>"), (95.0, 85.0, "case 2")]
    root = parsed(scatter_chart(points, "title", "agreement, %", "DSC, %", "rho 1", "#123456"))
    assert [t for t in root.itertext() if t.startswith("case")] == ["case <1>", "case 2"]
    strips = [Strip("ATSO", "#000", tuple((float(v), f"case {v}") for v in range(101))), Strip("none", "#000", ())]
    chart = strip_chart(strips, "title", "DSC, %")
    assert "n = 101 · median 50.0" in chart
    assert "none" not in chart
    assert len(re.findall("<path", chart)) == 101


def test_nothing_to_draw_is_empty() -> None:
    assert line_chart([], [(0, "0")], "t", "x", "y") == ""
    assert scatter_chart([], "t", "x", "y", "s", "#000") == ""
    assert strip_chart([Strip("a", "#000", ())], "t", "x") == ""


def test_markers_are_told_apart_and_centred() -> None:
    assert len({draw(0, 0, 5) for draw in MARKERS.values()}) == len(MARKERS)
