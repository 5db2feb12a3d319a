from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from atso_monai.cohort import Cohort
from atso_monai.review.common_cases import ComparisonError, without_distance
from atso_monai.review.compare_runs import arms_of, compare, compare_all
from atso_monai.review.read_run import ReadRun

Make = Callable[..., ReadRun]


def test_other_splits_are_compared_on_common_cases_and_that_is_said(
    run: ReadRun, make_run: Make, make_cohort: Callable[..., Cohort], dataset_dir: Path, tmp_path: Path
) -> None:
    whole = make_cohort(dataset_dir)
    fewer = replace(whole, test=whole.test[:2])
    (found,) = compare_all(arms_of([run, make_run(tmp_path / "run", fewer)]), ["test"])
    assert found.differences[0].cases == 2
    assert any("different splits" in note for note in found.notes)
    assert any("2 common cases of 3" in note for note in found.notes)


def test_no_common_case_is_refused(
    run: ReadRun, make_run: Make, make_cohort: Callable[..., Cohort], dataset_dir: Path, tmp_path: Path
) -> None:
    whole = make_cohort(dataset_dir)
    other = replace(whole, test=whole.labelled, labelled=whole.test)
    with pytest.raises(ComparisonError, match="in common"):
        compare(arms_of([run, make_run(tmp_path / "run", other)]), "test")


def test_one_id_for_two_scans_is_refused(
    run: ReadRun, make_run: Make, make_cohort: Callable[..., Cohort], new_dataset: Path, tmp_path: Path
) -> None:
    other = make_cohort(new_dataset)
    copies = make_run(tmp_path / "copies", other)
    assert compare(arms_of([run, copies]), "test").differences[0].cases == 3  # other files, the same scans
    first, second = other.test[:2]
    first.image.write_bytes(second.image.read_bytes())
    with pytest.raises(ComparisonError, match="is another scan in"):
        compare(arms_of([run, copies]), "test")


def test_cases_without_a_distance_are_counted_for_every_arm_when_any_has_one() -> None:
    assert without_distance({"a": {"x": 1.0}, "b": {"x": 0.0}}, "hd95") == []
    (note,) = without_distance({"a": {"x": 1.0, "y": 2.0}, "b": {"x": inf, "y": nan}}, "assd")
    assert "no ASSD" in note and "a: 0 of 2 without, b: 2 of 2 without" in note
