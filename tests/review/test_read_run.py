from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from atso_monai.errors import RunFolderError
from atso_monai.review.outcomes import final_scores, label_series, series_on_test
from atso_monai.review.read_run import ReadRun, label_file, newest_labels, predictions_on_test, read_run

Make = Callable[..., ReadRun]


def test_a_finished_run(run: ReadRun) -> None:
    assert run.finished
    assert newest_labels(run) == {"f1": "labels/final/f1", "f2": "labels/final/f2"}
    assert predictions_on_test(run, run.outcome) == "predictions/final"
    assert run.score_labels == ["front", "back", "foreground"]
    assert run.main_label_first == ["foreground", "front", "back"]


def test_a_moved_run_is_the_same(own_run: ReadRun, tmp_path: Path) -> None:
    moved = read_run(shutil.move(own_run.run_dir, tmp_path / "elsewhere #2"))
    assert moved.rows == own_run.rows
    case = moved.cohort.reference[0].id
    assert label_file(moved, case) is not None


def test_newest_labels_of_each_strategy(run: ReadRun) -> None:
    found = {o.strategy: newest_labels(run, o)["f1"] for o in run.plan.outcomes}
    assert found == {
        "atso": "labels/final/f1",
        "supervised": "labels/g1/f1",
        "stso": "compare/stso/labels/final/f1",
        "oracle": "compare/oracle/labels/final/f1",
    }


@pytest.mark.parametrize(("done", "label"), [(("0",), "g1"), (("0", "1"), "g2"), (("0", "1", "2"), "final")])
def test_an_unfinished_run_has_the_labels_it_came_to(
    make_run: Make, tmp_path: Path, done: tuple[str, ...], label: str
) -> None:
    run = make_run(tmp_path / "run", done=lambda step: step.generation in done)
    assert not run.finished
    assert set(newest_labels(run).values()) == {f"labels/{label}/f1", f"labels/{label}/f2"}


def test_scores_by_generation(run: ReadRun) -> None:
    assert list(label_series(run, "atso", "front")) == ["0", "1", "2", "final"]
    models = {g: model for g, (model, _) in series_on_test(run, "atso", "front").items()}
    assert models == {"0": "all", "1": "mean of the fold models", "2": "mean of the fold models", "final": "final"}
    assert {o.strategy: len(final_scores(run, o, "test", "front")) for o in run.plan.outcomes} == {
        "atso": 3, "supervised": 3, "stso": 3, "oracle": 3,
    }  # fmt: skip


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        read_run(tmp_path)
