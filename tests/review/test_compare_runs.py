from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from atso_monai.cohort import Cohort
from atso_monai.errors import ConfigError
from atso_monai.review.compare_runs import (
    ComparisonError,
    arms_of,
    compare,
    compare_all,
    comparison_text,
    write_comparison,
)
from atso_monai.review.read_run import ReadRun

Make = Callable[..., ReadRun]


def test_strategies_of_one_run(run: ReadRun) -> None:
    test, reference = compare_all(arms_of([run]))
    assert [d.right for d in test.differences] == ["supervised", "stso", "oracle"]
    values = {
        name: {
            r["case"]: float(r["value"])
            for r in run.rows
            if (r["strategy"], r["set"], r["label"], r["metric"]) == (name, "test", "foreground", "dsc")
            and r["model"] in ("all", "final")
            and r["generation"] == {"atso": "final", "stso": "2"}[name]
        }
        for name in ("atso", "stso")
    }
    stso = test.differences[1]
    assert stso.cases == 3
    expected = 100 * fmean(values["atso"][case] - values["stso"][case] for case in values["stso"])
    assert stso.mean == pytest.approx(expected)
    assert reference.notes == ("oracle was trained on the true labels of these reference cases.",)
    assert "too few" in comparison_text(test)
    assert "Intervals and tests need 6 common cases" in comparison_text(test)
    assert "nan" not in comparison_text(test)


def test_one_label_and_some_strategies(run: ReadRun) -> None:
    (found,) = compare_all(arms_of([run], ["oracle", "stso"]), ["test"], "front")
    assert [(d.left, d.right) for d in found.differences] == [("oracle", "stso")]
    assert found.label == "front"
    with pytest.raises(ConfigError, match="front"):
        compare(arms_of([run]), "test", "fron")


def test_nothing_to_compare_with(make_run: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to compare atso"):
        arms_of([make_run(tmp_path / "run", compare=())])
    with pytest.raises(ConfigError, match="must be one of"):
        arms_of([make_run(tmp_path / "other")], ["stos"])


def test_runs_of_the_same_test_cases(run: ReadRun, own_run: ReadRun) -> None:
    (found,) = compare_all(arms_of([run, own_run]), ["test"])
    assert found.notes == ()
    assert [(d.left, d.right) for d in found.differences] == [(f"{run.name}: atso", "run: atso")]
    assert found.differences[0].mean == 0


def test_without_truth_there_is_nothing_to_compare(make_run: Make, bare_cohort: Cohort, tmp_path: Path) -> None:
    arms = arms_of([make_run(tmp_path / "run", bare_cohort, compare=("stso",))])
    with pytest.raises(ComparisonError, match="no truth is known"):
        compare_all(arms)
    with pytest.raises(ComparisonError, match="no DSC on the test set"):
        compare(arms, "test")


def test_the_csv_holds_what_was_printed(run: ReadRun, tmp_path: Path) -> None:
    found = compare_all(arms_of([run]))
    write_comparison(found, tmp_path / "differences.csv")
    with (tmp_path / "differences.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["set"], r["right"], float(r["mean"])) for r in rows] == [
        (one.which, d.right, d.mean) for one in found for d in one.differences
    ]


# --- distances


def test_distances_of_one_run(run: ReadRun) -> None:
    (found,) = compare_all(arms_of([run], ["atso", "stso"]), ["test"], "front", "hd95")
    values = {
        name: {
            r["case"]: float(r["value"])
            for r in run.rows
            if (r["strategy"], r["set"], r["label"], r["metric"]) == (name, "test", "front", "hd95")
            and r["generation"] == {"atso": "final", "stso": "2"}[name]
        }
        for name in ("atso", "stso")
    }
    assert found.differences[0].mean == pytest.approx(
        fmean(values["atso"][case] - values["stso"][case] for case in values["stso"])
    )
    text = comparison_text(found)
    assert "difference, HD95 in mm (smaller is better)" in text
    assert "have no" not in text
    with pytest.raises(ConfigError, match="metric must be one of dsc, hd95, assd"):
        compare(arms_of([run]), "test", None, "hd100")


def test_cases_without_a_distance_are_told_of_each_arm(run: ReadRun) -> None:
    """One case of STSO has none: it is in no number, and that is said."""
    lost = run.cohort.test[0].id
    rows = [
        {**r, "value": "inf"} if (r["strategy"], r["case"], r["metric"]) == ("stso", lost, "hd95") else r
        for r in run.rows
    ]
    found = compare(arms_of([replace(run, rows=rows)]), "test", None, "hd95")
    assert [d.cases for d in found.differences] == [3, 2, 3]
    (note,) = [note for note in found.notes if "empty" in note]
    assert "atso: 0 of 3 without, supervised: 0 of 3 without, stso: 1 of 3 without" in note
    assert "DSC counts them" in note


def test_an_arm_without_any_distance_is_not_compared(run: ReadRun) -> None:
    def lost(*strategies: str) -> ReadRun:
        rows = [{**r, "value": "inf"} if r["metric"] == "hd95" and r["strategy"] in strategies else r for r in run.rows]
        return replace(run, rows=rows)

    (found,) = compare_all(arms_of([lost("stso")]), ["test"], None, "hd95")
    assert [d.right for d in found.differences] == ["supervised", "oracle"]
    assert "atso and stso are not compared: no case has HD95 in both." in found.notes
    with pytest.raises(ComparisonError, match=r"atso: 3 of 3 without.* DSC counts them\."):
        compare_all(arms_of([lost("atso")]), (), None, "hd95")


def test_runs_of_an_older_version_have_no_distances(run: ReadRun) -> None:
    before = replace(run, rows=[r for r in run.rows if r["metric"] not in ("hd95", "assd")])
    assert len(compare_all(arms_of([before]))) == 2
    with pytest.raises(ComparisonError, match=r"no HD95 to compare.*version without distances"):
        compare_all(arms_of([before]), (), None, "hd95")
    with pytest.raises(ComparisonError, match=r"has no ASSD on the test set.*version without distances"):
        compare(arms_of([before]), "test", None, "assd")
