from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from atso_monai.review.compare import (
    Difference,
    adjusted,
    claim,
    interval_text,
    mean_interval,
    paired_difference,
    rank_correlation,
    sentence,
)


def scores(values: np.ndarray) -> dict[str, float]:
    return {f"case{k}": float(v) for k, v in enumerate(values)}


def pair(n: int, gap: float, noise: float = 0.02, seed: int = 0) -> Difference:
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.5, 0.8, n)
    return paired_difference("a", "b", scores(base + gap + rng.normal(0, noise, n)), scores(base))


def test_mean_and_wins_are_those_of_the_common_cases() -> None:
    found = paired_difference("a", "b", {"x": 0.9, "y": 0.5, "only a": 0.1}, {"y": 0.7, "x": 0.6, "only b": 0})
    assert (found.cases, found.wins, found.losses) == (2, 1, 1)
    assert found.mean == pytest.approx(5)
    assert (found.left_mean, found.right_mean) == pytest.approx((70, 65))


def test_the_interval_is_close_to_that_of_a_t_test_on_plain_data() -> None:
    values = np.random.default_rng(1).normal(2, 3, 80)
    expected = stats.t.interval(0.95, 79, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected, abs=0.1)


def test_the_test_is_the_signed_rank_test() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.uniform(0, 1, 12), rng.uniform(0, 1, 12)
    expected = stats.wilcoxon(a, b).pvalue  # no zeros and no ties: all ways of treating them are one
    assert paired_difference("a", "b", scores(a), scores(b)).p == pytest.approx(expected)


@pytest.mark.parametrize(("gap", "verdict"), [(0.1, "better"), (-0.1, "worse"), (0.0, "not distinguishable")])
def test_verdicts(gap: float, verdict: str) -> None:
    found = pair(20, gap)
    assert found.verdict == verdict
    assert verdict.rsplit(maxsplit=1)[-1] in sentence(found, "the test set")
    assert sentence(found, "the test set").startswith("On the test set, a ")


def test_few_cases_are_no_evidence_however_large_the_gap() -> None:
    found = pair(5, 0.3)
    assert found.verdict == "too few cases"
    assert "5 common cases are too few" in claim(found)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert interval_text(found, 1) == ""
    assert interval_text(pair(6, 0.3), 1)


def test_equal_scores_are_not_distinguishable() -> None:
    same = scores(np.full(10, 0.8))
    found = paired_difference("a", "b", same, same)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert found.verdict == "not distinguishable"


def test_one_case_has_no_interval() -> None:
    found = paired_difference("a", "b", {"x": 0.5}, {"x": 0.4})
    assert np.isnan([found.low, found.high, found.p]).all()
    assert "1 common case is too few" in claim(found)


def test_no_common_case_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one common case"):
        paired_difference("a", "b", {"x": 1}, {"y": 1})


def test_holm() -> None:
    raw = [0.01, 0.04, 0.03, 0.005, float("nan")]
    found = [d.p for d in adjusted([replace(pair(8, 0.1), p=p) for p in raw])]
    assert found[:4] == pytest.approx([0.03, 0.06, 0.06, 0.02])  # the worked example of Holm's method
    assert np.isnan(found[4])


def test_what_only_the_interval_says_is_told() -> None:
    found = replace(pair(20, 0.1), p=0.06)
    assert found.verdict == "not distinguishable"
    assert "the interval alone leaves 0 out" in claim(found)


def test_rank_correlation_is_spearmans_with_ties() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, 30).astype(float)
    y = x + rng.normal(0, 2, 30)
    rho, low, high = rank_correlation(list(x), list(y))
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 <= low < rho < high <= 1


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1, 1], [1, 2, 3, 4])])
def test_no_rank_correlation(x: list[float], y: list[float]) -> None:
    assert np.isnan(rank_correlation(x, y)).all()


@pytest.mark.parametrize(("gap", "verdict"), [(-2.0, "better"), (2.0, "worse"), (0.0, "not distinguishable")])
def test_a_smaller_distance_is_better(gap: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(3, 9, 20)
    found = paired_difference("a", "b", scores(base + gap + rng.normal(0, 0.3, 20)), scores(base), "hd95")
    assert found.verdict == verdict
    assert found.mean == pytest.approx(gap, abs=0.3)  # mm, not per cent
    assert "mm HD95" in claim(found) and "DSC" not in claim(found)
    if gap < 0:
        assert found.wins > found.losses
