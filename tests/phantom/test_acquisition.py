from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from atso_monai.errors import ConfigError
from atso_monai.phantom import Scanner
from atso_monai.phantom.acquisition import Acquisition, acquire, draw_acquisition

PLAIN = Acquisition(noise=0.0, blur=0.0, offset=0.0, gain=1.0)


def test_without_noise_blur_and_calibration_nothing_changes() -> None:
    true = np.random.default_rng(0).integers(-1024, 3000, (12, 12, 8)).astype(np.float32)
    before = true.copy()
    np.testing.assert_array_equal(acquire(true, (1, 1, 2), PLAIN, np.random.default_rng(0)), before)
    np.testing.assert_array_equal(true, before)


def test_gain_and_offset_are_linear_and_the_result_is_cut_to_the_range_of_ct() -> None:
    true = np.array([-1000.0, 0.0, 100.0, 3000.0], np.float32).reshape(4, 1, 1) * np.ones((1, 9, 3), np.float32)
    seen = acquire(true, (1, 1, 1), Acquisition(0.0, 0.0, 10.0, 1.1), np.random.default_rng(0))
    np.testing.assert_array_equal(seen[:, 0, 0], [-1024, 10, 120, 3071])


def test_blur_is_in_mm() -> None:
    edge = np.where(np.arange(60) < 30, 0, 1000).astype(np.float32).reshape(60, 1, 1) * np.ones((1, 9, 2), np.float32)
    widths = []
    for spacing in (1.0, 2.0):
        seen = acquire(edge, (spacing, spacing, 1), Acquisition(0.0, 3.0, 0.0, 1.0), np.random.default_rng(0))
        widths.append(spacing * ((seen[:, 4, 0] > 160) & (seen[:, 4, 0] < 840)).sum())
    assert widths[0] == pytest.approx(widths[1], abs=2.0)
    assert widths[0] == pytest.approx(2 * 3.0, abs=2.0)


def test_thin_slices_are_noisier() -> None:
    flat = np.zeros((64, 64, 12), np.float32)
    scan = Acquisition(20.0, 1.0, 0.0, 1.0)
    thick, thin = (acquire(flat, (2, 2, z), scan, np.random.default_rng(1)).std() for z in (6.0, 1.5))
    assert thin == pytest.approx(2 * thick, rel=0.05)


def test_draws_stay_in_their_ranges() -> None:
    scanner = Scanner()
    for seed in range(20):
        scan = draw_acquisition(scanner, np.random.default_rng(seed))
        for name in ("noise", "blur", "offset", "gain"):
            low, high = getattr(scanner, name)
            assert low <= getattr(scan, name) <= high


@pytest.mark.parametrize(
    "wrong",
    [{"phase": (2.0, 1.0)}, {"noise": (-1.0, 2.0)}, {"jitter": 0.5}, {"thickness": 0.0}, {"fat": (float("nan"), 1.0)}],
)
def test_wrong_ranges_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"A scanner's ranges .*Received: .*{next(iter(wrong))}"):
        Scanner(**wrong)
