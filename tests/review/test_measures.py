from __future__ import annotations

from math import inf, nan

from atso_monai.metrics.sheet import DISTANCES
from atso_monai.review.measures import MEASURES, measured, without_surface


def test_distances_are_better_when_smaller() -> None:
    assert {name: measure.sign for name, measure in MEASURES.items()} == {"dsc": 1, "hd95": -1, "assd": -1}
    assert set(DISTANCES) < set(MEASURES)
    assert all(name == measure.metric for name, measure in MEASURES.items())


def test_what_is_no_number_is_told_apart() -> None:
    assert measured({"a": 0.0, "b": inf, "c": nan}) == {"a": 0.0}
    assert without_surface([0.0, inf, nan]) == "2 of 3 without"
    assert without_surface([0.0]) == without_surface([]) == ""
