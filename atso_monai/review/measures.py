"""What strategies are compared by: DSC, or surface distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True)
class Measure:
    """A metric against the truth, as people read it.

    Attributes:
        metric: its name in ``metrics.csv``.
        title: its name in words.
        unit: of shown values and their differences.
        factor: what a value is multiplied by to be shown.
        sign: 1 where larger is better, -1 where smaller is.
    """

    metric: str
    title: str
    unit: str
    factor: float
    sign: int


MEASURES = {
    "dsc": Measure("dsc", "DSC", "DSC points", 100.0, 1),
    "hd95": Measure("hd95", "HD95", "mm", 1.0, -1),
    "assd": Measure("assd", "ASSD", "mm", 1.0, -1),
}
"""By name."""


def measured(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores that are numbers: a distance is infinite or NaN where prediction, truth or both are empty."""
    return {case: value for case, value in scores.items() if isfinite(value)}


def without_surface(values: Sequence[float]) -> str:
    """How many of some values are no numbers, such as ``1 of 8 without``; empty where each is one."""
    missing = sum(not isfinite(value) for value in values)
    return f"{missing} of {len(values)} without" if missing else ""
