"""Surface distances in the report, where they are known, partly known, and not measured at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.metrics import surface_distances
from atso_monai.review.outcomes import TEST, final_scores
from atso_monai.review.read_run import ReadRun, predictions_on_test
from atso_monai.review.report import write_report
from atso_monai.review.report.distances import case_distance_tables, distance_table, in_words, millimetres
from atso_monai.review.report.tiles import tiles

Make = Callable[..., ReadRun]


def changed(run: ReadRun, metric: str, case: str, value: str) -> ReadRun:
    """The run with other values of one case."""
    rows = [{**r, "value": value} if (r["metric"], r["case"]) == (metric, case) else r for r in run.rows]
    return replace(run, rows=rows)


def older(run: ReadRun) -> ReadRun:
    """The run as a version without distances left it."""
    return replace(run, rows=[row for row in run.rows if row["metric"] not in ("hd95", "assd")])


def test_the_numbers_are_those_of_the_label_files(run: ReadRun) -> None:
    """From the files to the report, on the native grids."""
    artefact = predictions_on_test(run, run.outcome)
    found = final_scores(run, run.outcome, TEST, "foreground", "hd95")
    assert artefact is not None and len(found) == 3
    for case in run.cohort.test:
        prediction, truth = (nib.load(f) for f in (run.artefact_file(artefact, case.id), case.label))
        masks = [np.asarray(image.dataobj) > 0 for image in (prediction, truth)]
        assert found[case.id] == pytest.approx(surface_distances(*masks, prediction.affine).hd95, abs=1e-6)
    table = distance_table(run)
    assert table is not None
    atso = next(row for row in table.rows if row[0].words == "ATSO" and row[1].words == "foreground")
    assert atso[2].sort == pytest.approx(fmean(found.values()))
    assert f"HD95 {fmean(found.values()):.2f} mm" in in_words(run, TEST, "foreground")
    assert f"HD95 {fmean(found.values()):.2f} mm" in tiles(run)[0].detail


def test_every_strategy_and_label_has_a_row(run: ReadRun) -> None:
    table = distance_table(run)
    assert table is not None
    assert len(table.rows) == 4 * 3
    assert all(len(row) == len(table.head) == 8 for row in table.rows)


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_case_without_a_distance_is_counted(run: ReadRun, value: str) -> None:
    case = run.cohort.test[0].id
    partly = changed(run, "hd95", case, value)
    table, cases = distance_table(partly), case_distance_tables(partly)[0]
    assert table is not None
    cell = table.rows[0][2]
    rest = [v for c, v in final_scores(run, run.outcome, TEST, "foreground", "hd95").items() if c != case]
    assert cell.detail == "1 of 3 without"
    assert cell.sort == pytest.approx(fmean(rest))
    assert "(1 of 3 without)" in in_words(partly, TEST, "foreground")
    row = next(row for row in cases.rows if row[0].words == case)
    assert row[1].words == ("both empty" if value == "nan" else "one empty")
    assert table.rows[3][3].detail == "too few cases, n = 2"  # of ATSO and the next strategy


def test_a_case_without_a_distance_sorts_behind_the_largest() -> None:
    order = [millimetres(value) for value in (3.0, 999.0, float("inf"), None)]
    assert [cell.sort for cell in order] == sorted(cell.sort for cell in order if cell.sort is not None)


def test_a_run_of_empty_predictions_alone(run: ReadRun) -> None:
    rows = [{**r, "value": "inf"} if r["metric"] in ("hd95", "assd") else r for r in run.rows]
    lost = replace(run, rows=rows)
    table = distance_table(lost)
    assert table is not None
    assert {(row[2].words, row[2].detail) for row in table.rows} == {("–", "3 of 3 without")}
    assert in_words(lost, TEST, "foreground") == "no HD95 (3 of 3 without)"


def test_an_older_run_has_none(run: ReadRun) -> None:
    before = older(run)
    assert distance_table(before) is None
    assert case_distance_tables(before) == []
    assert in_words(before, TEST, "foreground") == ""
    assert "HD95" not in tiles(before)[0].detail
    assert not any("HD95" in str(vars(tile)) for tile in tiles(before))


def test_the_page_shows_them_and_says_what_older_runs_lack(run: ReadRun, tmp_path: Path) -> None:
    page = write_report([run], tmp_path / "new.html").read_text(encoding="utf-8")
    before = write_report([older(run)], tmp_path / "old.html").read_text(encoding="utf-8")
    for words in ("Distances of surfaces, smaller is better", "Test HD95, mm (n = 3)", "Test ASSD, mm", "; HD95 "):
        assert words in page and words not in before
    assert "its command, given again, measures them" in before and "given again" not in page


def test_smaller_is_better_in_its_colour(run: ReadRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """With eight cases in which the run's own strategy is 1 to 2 mm nearer than any other."""
    from atso_monai.review.report import distances, numbers

    def made_up(run: ReadRun, outcome: Any, which: str, label: str, metric: str = "dsc") -> dict[str, float]:
        far = 0 if outcome is run.outcome else 1
        return {f"c{k}": 3 + far * (1 + k / 8) + k / 100 for k in range(8)}

    for module in (distances, numbers):
        monkeypatch.setattr(module, "final_scores", made_up)
    monkeypatch.setattr("atso_monai.review.compare_runs.final_scores", made_up)
    table = distance_table(run)
    assert table is not None
    stso = next(row for row in table.rows if row[0].words == "STSO")
    assert stso[3].kind == "num better"
    assert stso[3].words.startswith("−1.4")
