"""Names, colours and markers of the strategies, the same in every chart and table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

NAMES = {
    "supervised": "Supervised",
    "supervised_matched": "Supervised, matched steps",
    "self_learning": "Self-learning",
    "stso": "STSO",
    "atso": "ATSO",
    "oracle": "Oracle",
}
COLOURS = {
    "supervised": "#767676",
    "supervised_matched": "#b3559b",
    "self_learning": "#00875f",
    "stso": "#c8560a",
    "atso": "#0b63b0",
    "oracle": "#1d1d1d",
}
"""After Okabe and Ito: told apart by people with any kind of colour vision, dark enough on white."""
SHAPES = {
    "supervised": "square",
    "supervised_matched": "bar",
    "self_learning": "down",
    "stso": "triangle",
    "atso": "circle",
    "oracle": "diamond",
}


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over cases, in %, of Dice values in [0, 1]; a dash for none."""
    if not values:
        return "–"
    return f"{100 * fmean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")
