from __future__ import annotations

import numpy as np
import pytest

from atso_monai.prepare.statistics import measure


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_statistics_are_those_of_numpy(dtype: type) -> None:
    array = np.random.default_rng(0).integers(0, 200, (6, 5, 4)).astype(dtype)
    found, exact = measure(array), array.astype(np.float64)
    assert (found.minimum, found.maximum) == (array.min(), array.max())
    assert (found.mean, found.std) == pytest.approx((exact.mean(), exact.std()))


def test_large_means_do_not_hurt_the_deviation() -> None:
    array = np.array([1e6, 1e6 + 1], np.float32).reshape(2, 1, 1)
    assert measure(array).std == 0.5
