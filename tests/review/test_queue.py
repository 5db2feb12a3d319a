from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.review.outcomes import agreement_series
from atso_monai.review.queue import COLUMNS, HEADER, queue_table, review_queue, write_queue
from atso_monai.review.read_run import ReadRun, label_file

Make = Callable[..., ReadRun]


def change_label(run: ReadRun, case: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    file = label_file(run, case)
    assert file is not None
    image = nib.load(file)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)).astype(np.uint8), image.affine), file)


def test_every_reference_case_comes_once_with_its_points(run: ReadRun) -> None:
    queue = review_queue(run)
    assert sorted(s.case for s in queue) == sorted(case.id for case in run.cohort.reference)
    assert [s.score for s in queue] == sorted((s.score for s in queue), reverse=True)
    last = agreement_series(run, "atso", "front")["2"], agreement_series(run, "atso", "back")["2"]
    for s in queue:
        assert s.points["agreement"] == pytest.approx(100 * (1 - (last[0][s.case] + last[1][s.case]) / 2))
        assert s.score == pytest.approx(sum(s.points.values()))
        assert (run.run_dir / s.label).is_file()


def test_an_empty_label_comes_first_although_models_may_agree_on_it(own_run: ReadRun) -> None:
    victim = review_queue(own_run)[-1].case
    change_label(own_run, victim, np.zeros_like)
    first = review_queue(own_run)[0]
    assert first.case == victim
    assert first.points["empty"] == 100
    assert "is empty, 3 of 3 labelled cases have it" in first.reasons[0]
    assert first.empty
    header, line = queue_table(review_queue(own_run)).splitlines()[:2]
    assert "disagree pts" in header
    assert "(" in line.partition("back is empty")[0].partition("front is empty")[0]
    assert not any(s.empty for s in review_queue(own_run)[1:])


def test_pieces_and_volume_are_named(own_run: ReadRun) -> None:
    case = own_run.cohort.reference[0].id

    def scatter(labels: np.ndarray) -> np.ndarray:
        out = np.zeros_like(labels)
        out[::4, ::4, ::4] = 1
        return out

    change_label(own_run, case, scatter)
    found = next(s for s in review_queue(own_run) if s.case == case)
    assert any("front lies in" in reason and "pieces" in reason for reason in found.reasons)
    assert any("front is small" in reason for reason in found.reasons)


def test_without_any_truth(make_run: Make, bare_cohort: Cohort, tmp_path: Path) -> None:
    queue = review_queue(make_run(tmp_path / "run", bare_cohort))
    assert len(queue) == 4
    assert all({"agreement", "change", "volume"} <= s.points.keys() for s in queue)


@pytest.mark.parametrize("strategy", ["stso", "supervised", "oracle"])
def test_what_a_strategy_cannot_tell_is_left_out(make_run: Make, tmp_path: Path, strategy: str) -> None:
    queue = review_queue(make_run(tmp_path / "run", strategy=strategy, compare=()))
    assert len(queue) == 4
    for s in queue:
        assert "agreement" not in s.points
        assert ("change" in s.points) == (strategy == "stso")
    assert " - " in queue_table(queue)


def test_an_unfinished_run_is_ranked_by_what_it_has(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", done=lambda step: step.generation == "0")
    queue = review_queue(run)
    assert [s.label.split("/")[1] for s in queue] == ["g1"] * 4
    assert review_queue(make_run(tmp_path / "new", done=lambda step: False)) == []


def test_the_csv(run: ReadRun, tmp_path: Path) -> None:
    queue = review_queue(run)
    write_queue(queue, tmp_path / "review.csv")
    assert (tmp_path / "review.csv").read_text(encoding="utf-8").startswith(HEADER)
    with (tmp_path / "review.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["case"] for row in rows] == [s.case for s in queue]
    assert all(row["reasons"] for row in rows)
    for row in rows:
        assert float(row["disagree_points"]) == pytest.approx(100 * (1 - float(row["agreement"])), abs=0.01)
        assert float(row["moved_points"]) == pytest.approx(50 * (1 - float(row["change"])), abs=0.01)
