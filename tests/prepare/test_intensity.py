from __future__ import annotations

import pytest
import torch

from atso_monai.errors import ConfigError
from atso_monai.prepare import Statistics, Window, ZScore

ANY = Statistics(0, 1, 0, 1)


def test_window_is_exact_at_its_ends_and_flat_beyond() -> None:
    values = torch.tensor([-2000.0, -100.0, 70.0, 240.0, 3000.0])
    assert Window(-100, 240).apply_(values, ANY).tolist() == [0, 0, 0.5, 1, 1]


def test_zscore_over_the_whole_case() -> None:
    values = torch.randn((3, 9, 9), generator=torch.Generator().manual_seed(0)) * 7 + 1000
    case = Statistics(float(values.mean()), float(values.std(correction=0)), float(values.min()), float(values.max()))
    scored = ZScore().apply_(values.clone(), case)
    assert abs(float(scored.mean())) < 1e-4
    assert abs(float(scored.std(correction=0)) - 1) < 1e-4
    torch.testing.assert_close(ZScore().apply_(values[1].clone(), case), scored[1])


def test_a_case_of_one_value_becomes_zero() -> None:
    assert not ZScore().apply_(torch.full((4,), 0.1), Statistics(0.1, 1e-17, 0.1, 0.1)).any()
    assert Window(0, 1).apply_(torch.full((4,), 0.1), ANY).tolist() == pytest.approx([0.1] * 4)


def test_work_is_done_in_place() -> None:
    for intensity in (Window(0, 2), ZScore()):
        values = torch.ones(3)
        assert intensity.apply_(values, ANY) is values


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (float("nan"), 1)])
def test_windows_that_cannot_be(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match=r"low < high. Received: low="):
        Window(low, high)
