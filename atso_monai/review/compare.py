"""Paired differences between two sets of scores, and the sentence that they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from atso_monai.review.measures import MEASURES, Measure

FEWEST = 6
"""Fewest pairs for an interval and a test: below, no outcome of the two-sided signed-rank test can reach p < 0.05
(smallest p: 2 / 2**n)."""
RESAMPLES = 9999
LEVEL = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """Left minus right over the cases that both have, in DSC points (per cent) or mm.

    Attributes:
        left: name of the one.
        right: name of the other.
        cases: number of pairs.
        left_mean: mean of the one, in % or mm.
        right_mean: mean of the other.
        mean: mean difference, in points or mm.
        low: lower end of its 95% interval; nan below :data:`FEWEST` pairs.
        high: upper end.
        p: two-sided Wilcoxon signed-rank test, adjusted for the number of comparisons (Holm); nan below
            :data:`FEWEST` pairs.
        wins: pairs in which left is better.
        losses: pairs in which right is better.
        metric: ``dsc``, ``hd95`` or ``assd``; of distances, smaller is better.
    """

    left: str
    right: str
    cases: int
    left_mean: float
    right_mean: float
    mean: float
    low: float
    high: float
    p: float
    wins: int
    losses: int
    metric: str = "dsc"

    @property
    def measure(self) -> Measure:
        """What it is a difference of."""
        return MEASURES[self.metric]

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``not distinguishable`` or ``too few cases``: interval and test must both say so."""
        if self.cases < FEWEST or np.isnan(self.p):
            return "too few cases"
        if self.p < ALPHA and self.low * self.high > 0:
            return "better" if self.low * self.measure.sign > 0 else "worse"
        return "not distinguishable"


def paired_difference(
    left: str, right: str, left_scores: Mapping[str, float], right_scores: Mapping[str, float], metric: str = "dsc"
) -> Difference:
    """Compare two sets of scores case by case, over the cases that both have.

    The interval is the bias-corrected and accelerated bootstrap over cases (Efron, 1987, by ``scipy.stats.bootstrap``,
    9999 resamples, fixed seed), the test is Wilcoxon's signed-rank test with zeros after Pratt (1959). Both need
    :data:`FEWEST` pairs.

    Args:
        left: name of the one.
        right: name of the other.
        left_scores: Dice in [0, 1], or distances in mm, by case; each a number.
        right_scores: the same of the other.
        metric: what they are: ``dsc``, ``hd95`` or ``assd``.

    Raises:
        ValueError: when no case has both.
    """
    cases = [case for case in left_scores if case in right_scores]
    if not cases:
        raise ValueError(f"{left} and {right} must have scores of at least one common case. Received: none.")
    measure = MEASURES[metric]
    a = measure.factor * np.array([left_scores[case] for case in cases])
    b = measure.factor * np.array([right_scores[case] for case in cases])
    apart = a - b
    low, high = mean_interval(apart) if len(apart) >= FEWEST else (float("nan"), float("nan"))
    return Difference(
        left, right, len(cases), float(a.mean()), float(b.mean()), float(apart.mean()), low, high, _signed_rank(apart),
        int((apart * measure.sign > 0).sum()), int((apart * measure.sign < 0).sum()), metric,
    )  # fmt: skip


def mean_interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """95% BCa interval of a mean; a pair of nan below two values, the value itself where all are alike."""
    if len(values) < 2:
        return float("nan"), float("nan")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    return interval(lambda x, axis=-1: np.mean(x, axis=axis), (values,))


def interval(statistic: Any, data: tuple[np.ndarray[Any, Any], ...], *, paired: bool = False) -> tuple[float, float]:
    """95% BCa bootstrap interval of a statistic, from a fixed seed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = stats.bootstrap(
            data, statistic, n_resamples=RESAMPLES, confidence_level=LEVEL, method="BCa", paired=paired, batch=1000,
            vectorized=True, random_state=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation with its 95% BCa interval over cases; nan where it is not defined."""
    nan = float("nan")
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return nan, nan, nan
    low, high = interval(_spearman, (np.asarray(x), np.asarray(y)), paired=True)
    return float(_spearman(np.asarray(x), np.asarray(y))), low, high


def _spearman(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], axis: int = -1) -> Any:
    """Pearson's correlation of ranks along an axis; 0 for a resample in which all values are alike."""
    a, b = (stats.rankdata(values, axis=axis) for values in (x, y))
    a, b = a - a.mean(axis=axis, keepdims=True), b - b.mean(axis=axis, keepdims=True)
    size = np.sqrt((a * a).sum(axis=axis) * (b * b).sum(axis=axis))
    return (a * b).sum(axis=axis) / np.where(size > 0, size, 1)


def _signed_rank(apart: np.ndarray[Any, Any]) -> float:
    if len(apart) < FEWEST:
        return float("nan")
    return float(stats.wilcoxon(apart, zero_method="pratt").pvalue) if apart.any() else 1.0


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with their p values multiplied for the number of comparisons (Holm, 1979)."""
    known = sorted((i for i, d in enumerate(differences) if not np.isnan(d.p)), key=lambda i: differences[i].p)
    out, highest = list(differences), 0.0
    for rank, index in enumerate(known):
        highest = max(highest, min(1.0, differences[index].p * (len(known) - rank)))
        out[index] = replace(differences[index], p=highest)
    return out


def interval_text(d: Difference, digits: int) -> str:
    """The interval of a difference in points; empty where there is none."""
    return "" if np.isnan(d.low) else f"{d.low:+.{digits}f} to {d.high:+.{digits}f}"


def sentence(d: Difference, on: str) -> str:
    """What an honest reader would write of a difference on ``on``, such as ``the test set``."""
    return f"On {on}, {claim(d)}"


def claim(d: Difference) -> str:
    """:func:`sentence` without the place."""
    unit = d.measure.unit if d.metric == "dsc" else f"{d.measure.unit} {d.measure.title}"
    if d.verdict == "too few cases":
        few = f"{d.cases} common case{'s are' if d.cases > 1 else ' is'} too few"
        return f"{d.left} and {d.right} cannot be compared: {few} ({d.mean:+.1f} {unit})."
    gap = f"{d.mean:+.1f} {unit}, 95% interval {d.low:+.1f} to {d.high:+.1f}, p {_with_sign(d.p)}, n = {d.cases}"
    if d.verdict == "not distinguishable":
        apart = "; the interval alone leaves 0 out, the adjusted test does not" if d.low * d.high > 0 else ""
        return f"{d.left} and {d.right} are not distinguishable ({gap}{apart})."
    return f"{d.left} is {d.verdict} than {d.right} ({gap})."


def _with_sign(p: float) -> str:
    return p_text(p) if p_text(p).startswith("<") else f"= {p_text(p)}"


def p_text(p: float) -> str:
    """A p value as papers print it."""
    return "-" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
