"""One scan under two names, cropped otherwise, as cases 2, 25 and 70 of NIH Pancreas-CT were."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from atso_monai.cohort import check_cohort, nih_cohort
from atso_monai.phantom import write_tcia


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tcia(
        tmp_path_factory.mktemp("tcia"),
        numbers=[1, 2, 3],
        seed=0,
        shape=(40, 40, 14),
        defects={3: "cropped copy"},
    )


def ids(*numbers: int) -> list[str]:
    return [f"PANCREAS_{n:04d}" for n in numbers]


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        ({"labelled": ids(1), "reference": ids(2), "test": ids(3), "folds": 1}, 1),
        ({"labelled": ids(3), "reference": ids(1), "test": ids(2), "folds": 1}, 1),
        ({"labelled": ids(2), "reference": ids(1, 3), "test": 0, "folds": 2}, 1),
        ({"labelled": ids(1, 3), "reference": ids(2), "test": 0, "folds": 1}, 0),
    ],
)
def test_a_crop_in_another_role_is_found(folder: Path, roles: dict, found: int, tmp_path: Path) -> None:
    cohort = nih_cohort(folder, split=None, show=lambda line: None, **roles)
    problems = check_cohort(cohort, tmp_path)
    assert len(problems) == found
    for problem in problems:
        assert problem.case in ids(1, 3) and "same scan as" in problem.what and "PANCREAS_000" in problem.what
    start = time.perf_counter()
    assert check_cohort(cohort, tmp_path) == problems
    assert time.perf_counter() - start < 1
