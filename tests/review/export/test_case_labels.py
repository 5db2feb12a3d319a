from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Scheme
from atso_monai.errors import RunFolderError
from atso_monai.review.export.case_labels import read_case_labels


def test_final_labels_and_fold_models(run_dir: Path, cohort: Cohort) -> None:
    run = read_case_labels(run_dir)
    assert run.strategy == "atso"
    assert run.classes == {1: "front", 2: "back"}
    assert [(item.case.id, item.role) for item in run.cases] == [
        *((case.id, "reference") for case in cohort.reference),
        *((case.id, "test") for case in cohort.test),
    ]
    for item in run.cases:
        name = f"{item.case.id}.nii.gz"
        own, other = item.fold, "f2" if item.fold == "f1" else "f1"
        found = {m.model: (m.unseen, m.path) for m in item.fold_models}
        if item.role == "test":
            assert item.final == run_dir / "predictions/final" / name
            assert found == {f: (True, run_dir / "predictions/g2" / f / name) for f in ("f1", "f2")}
        else:
            assert (item.case.id in cohort.folds[0]) == (own == "f1")
            assert item.final == run_dir / "labels/final" / own / name
            assert found == {
                own: (True, run_dir / "labels/final" / own / name),
                other: (False, run_dir / "predictions/g2" / other / name),
            }
        assert all(label.path.is_file() for label in item.labels)


def test_labels_of_every_generation(run_dir: Path) -> None:
    item = read_case_labels(run_dir).cases[0]
    assert [(m.generation, m.model, m.unseen) for m in item.labels] == [
        ("0", "all", True), ("1", "f1", True), ("1", "f2", False), ("2", "f1", True), ("2", "f2", False),
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", ["supervised", "supervised_matched", "self_learning", "stso", "oracle"])
def test_strategies_without_folds(
    strategy: str, make_run: Any, cohort: Cohort, scheme: Callable[..., Scheme], tmp_path: Path
) -> None:
    run = read_case_labels(make_run(tmp_path / "run", cohort, scheme(strategy=strategy)))
    for item in run.cases:
        assert item.final is not None and item.final.is_file()
        assert item.fold_models == ()
        last = next(m for m in item.labels if m.path == item.final)
        assert last.unseen == (item.role == "test" or strategy.startswith("supervised"))


def test_other_strategies_in_the_same_run_are_left_out(
    make_run: Any, cohort: Cohort, scheme: Callable[..., Scheme], tmp_path: Path
) -> None:
    run = read_case_labels(make_run(tmp_path / "run", cohort, scheme(compare=("stso", "supervised"))))
    assert not [m for item in run.cases for m in item.labels if "compare" in str(m.path.relative_to(tmp_path))]


def test_steps_that_are_not_made_are_left_out(run_dir: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run_dir, tmp_path / "moved"))
    (moved / "labels/final/f1/result.json").unlink()
    shutil.rmtree(moved / "predictions/g2")
    run = read_case_labels(moved)
    first, second, test = run.cases[0], next(c for c in run.cases if c.fold == "f2"), run.cases[-1]
    assert first.final is None
    assert [m.generation for m in first.fold_models] == ["1", "1"]
    assert [m.model for m in second.fold_models] == ["f2"]
    assert test.final == moved / "predictions/final" / f"{test.case.id}.nii.gz"


def test_a_label_that_was_changed_is_refused(run_dir: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run_dir, tmp_path / "moved"))
    file = next((moved / "labels/final/f1").glob("*.nii.gz"))
    file.write_bytes(b"edited")
    with pytest.raises(RunFolderError, match=r"labels.final.f1 cannot be trusted: .* is not as it was written"):
        read_case_labels(moved)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        read_case_labels(tmp_path)
