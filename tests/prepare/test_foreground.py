from __future__ import annotations

import math

import numpy as np
import pytest

from atso_monai.prepare import slices_with_enough


def release(pixels: list[int], threshold: float) -> list[bool]:
    """The rule as OrganSegRSTN writes it."""
    order = sorted(range(len(pixels)), key=lambda slice_: pixels[slice_])
    last = math.floor(sum(p > 0 for p in pixels) * threshold)
    return [p >= pixels[order[-last]] for p in pixels]


@pytest.mark.parametrize("count", [10, 49, 50, 51, 100, 333])
@pytest.mark.parametrize("highest", [3, 1000])
def test_the_rule_is_that_of_the_release(count: int, highest: int) -> None:
    counts = np.random.default_rng(count).integers(0, highest, count)
    assert slices_with_enough(counts).tolist() == release(counts.tolist(), 0.98)


def test_two_in_a_hundred_are_dropped_and_empty_ones_never_count() -> None:
    counts = np.concatenate([np.zeros(500, int), np.random.default_rng(0).permutation(np.arange(1, 101))])
    kept = slices_with_enough(counts)
    assert kept.sum() == 98
    assert counts[~kept].max() == 2


def test_few_slices() -> None:
    assert slices_with_enough(np.array([0, 5, 0])).tolist() == [False, True, False]
    assert not slices_with_enough(np.zeros(4, int)).any()
    assert not slices_with_enough(np.zeros(0, int)).any()
    assert slices_with_enough(np.array([3, 0, 1]), share=1.0).tolist() == [True, False, True]
