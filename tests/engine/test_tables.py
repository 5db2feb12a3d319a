from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from atso_monai.engine import Plan, Scheme, build_plan, tables
from atso_monai.engine.tables import COLUMNS, Row

Make = Callable[..., Scheme]


def row(value: float, **columns: str) -> Row:
    rest = {"strategy": "atso", "generation": "1", "model": "f1", "set": "reference", "fold": "f1", "case": "a"}
    return {**rest, "label": "liver", "metric": "dsc", **columns, "value": f"{value:.6f}"}


def save(run_dir: Path, step: str, rows: list[Row]) -> None:
    (run_dir / step).mkdir(parents=True)
    with (run_dir / step / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def cells(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.replace(" ± ", "±").split("  ") if c.strip()] for line in text.splitlines()[1:]]


@pytest.fixture
def plan(scheme: Make) -> Plan:
    return build_plan(scheme(compare=("supervised", "stso"), generations=1))


ROWS = [
    *(row(v, generation="0", model="all", set="test", fold="", case=f"{v}") for v in (0.5, 0.6, 0.7)),
    *(row(v, generation="0", model="labels", fold=f, case=f) for f, v in (("f1", 0.4), ("f2", 0.5))),
    *(row(v, model=m, fold="f1") for m, v in (("f1", 0.8), ("f2", 0.7))),
    *(row(v, model=m, fold="f2") for m, v in (("f1", 0.6), ("f2", 0.9))),
    *(row(v, model="labels", fold=f) for f, v in (("f1", 0.8), ("f2", 0.9))),
    *(row(v, model="labels", fold=f, metric="change") for f, v in (("f1", 0.3), ("f2", 0.2))),
    row(0.66, model="f1-f2", metric="agreement"),
    row(0.62, model="f1", set="test", fold="", case="x"),
    *(row(v, generation="final", model="final", set="test", fold="", case=c) for c, v in (("x", 0.9), ("y", 0.8))),
    *(row(v, generation="final", model="labels", fold=f) for f, v in (("f1", 0.81), ("f2", 0.91))),
    *(row(v, strategy="stso", model="all", set="test", fold="", case=c) for c, v in (("x", 0.1), ("y", 0.3))),
    *(row(v, strategy="stso", model="labels", fold=f) for f, v in (("f1", 0.2), ("f2", 0.6))),
]  # fmt: skip


def test_one_line_per_strategy(plan: Plan) -> None:
    head, *lines = cells(tables.outcome_table(plan, ROWS))
    assert head == ["strategy", "epochs", "test DSC", "pseudo-label DSC"]
    spread = lambda v: f"{100 * fmean(v):.1f}±{100 * stdev(v):.1f}"  # noqa: E731
    assert lines == [
        ["atso", str(3 + 2 * 4 + 4), spread([0.9, 0.8]), spread([0.81, 0.91])],
        ["supervised", "3", spread([0.5, 0.6, 0.7]), spread([0.4, 0.5])],
        ["stso", "7", spread([0.1, 0.3]), spread([0.2, 0.6])],
    ]


def test_the_layout_of_table_4(plan: Plan) -> None:
    text = tables.generation_table(ROWS, "atso")
    head, *lines = cells(text)
    assert head == [
        "gen.", "M(f1)@f1", "M(f2)@f1", "M(f1)@f2", "M(f2)@f2", "labels@R", "agree", "change",
        "M(all)@E", "M(f1)@E", "M(final)@E",
    ]  # fmt: skip
    assert lines == [
        ["0", "-", "-", "-", "-", "45.0", "-", "-", "60.0", "-", "-"],
        ["1", "80.0", "70.0", "60.0", "90.0", "85.0", "66.0", "25.0", "-", "62.0", "-"],
        ["final", "-", "-", "-", "-", "86.0", "-", "-", "-", "-", "85.0"],
    ]
    assert "M(fk)@fk is what it has not seen" in text


def test_a_synchronous_strategy_has_no_fold_models(plan: Plan) -> None:
    head, *lines = cells(tables.generation_table(ROWS, "stso"))
    assert head == ["gen.", "labels@R", "agree", "change", "M(all)@E"]
    assert lines == [["0", "45.0", "-", "-", "60.0"], ["1", "40.0", "-", "-", "20.0"]]


def test_several_classes_are_told_by_their_union(plan: Plan) -> None:
    rows = [
        r for one in ROWS for r in (one, {**one, "label": "tumour", "value": "0.0"}, {**one, "label": "foreground"})
    ]
    assert tables.main_label(rows) == "foreground"
    assert cells(tables.outcome_table(plan, rows)) == cells(tables.outcome_table(plan, ROWS))
    assert cells(tables.generation_table(rows, "atso")) == cells(tables.generation_table(ROWS, "atso"))


def test_each_of_several_classes_has_its_own_column(plan: Plan) -> None:
    rows = [
        r for one in ROWS for r in (one, {**one, "label": "tumour", "value": "0.1"}, {**one, "label": "foreground"})
    ]
    head, first, *_ = cells(tables.label_table(plan, rows))
    assert head == ["strategy", "liver", "tumour"]
    assert first == ["atso", "85.0 / 86.0", "10.0 / 10.0"]


def test_all_test_cases_as_one_volume(plan: Plan) -> None:
    whole = {"metric": "global_dsc", "generation": "final", "model": "final", "set": "test", "fold": "", "case": ""}
    head, first, second, *_ = cells(tables.outcome_table(plan, [*ROWS, row(0.83, **whole)]))
    assert head[-1] == "global test DSC" and first[-1] == "83.0" and second[-1] == "-"
    assert first[:-1] == cells(tables.outcome_table(plan, ROWS))[1]


def test_distances_are_no_metric_of_these_tables(plan: Plan) -> None:
    far = [{**r, "metric": metric, "value": "inf"} for metric in ("hd95", "assd") for r in ROWS if r["metric"] == "dsc"]
    assert tables.truth_metric([*far, *ROWS]) == "dsc" and tables.truth_metric(far) == ""
    assert tables.outcome_table(plan, [*far, *ROWS]) == tables.outcome_table(plan, ROWS)
    assert tables.generation_table([*far, *ROWS], "atso") == tables.generation_table(ROWS, "atso")
    assert tables.main_label([]) == ""


def test_with_truth_of_the_reference_set_alone(plan: Plan) -> None:
    rows = [r for r in ROWS if r["set"] == "reference"]
    assert cells(tables.outcome_table(plan, rows))[1][2:] == ["-", "86.0±7.1"]
    assert "@E" not in tables.generation_table(rows, "atso")


def test_one_value_has_no_deviation() -> None:
    assert tables.spread([0.5]) == "50.0"
    assert tables.spread([]) == tables.mean([]) == "-"


def test_rows_are_collected_in_plan_order_and_written(tmp_path: Path, plan: Plan) -> None:
    save(tmp_path, "metrics/g1", ROWS[5:9])
    save(tmp_path, "metrics/g0", ROWS[:5])
    save(tmp_path, "metrics/of another run", ROWS)
    (tmp_path / "metrics" / "final").mkdir()
    (tmp_path / "metrics" / "final" / "scores.csv").write_text("label,value\n")  # a step without anything to score
    rows = tables.collect(tmp_path, plan)
    assert rows == ROWS[:9]
    tables.write_metrics(tmp_path / "metrics.csv", [{**rows[0], "case": 'a,"b"\n#ä'}])
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        (read,) = csv.DictReader(file)
    assert tuple(read) == COLUMNS
    assert read["case"] == 'a,"b"\n#ä'


def test_epochs_count_what_the_outcome_needs(scheme: Make) -> None:
    plan = build_plan(scheme(evaluate_each_generation=True, compare=("supervised", "oracle")))
    assert tables.epochs_of(plan, "atso") == 3 + 2 * 2 * 4 + 4
    assert tables.epochs_of(plan, "supervised") == 3
    assert tables.epochs_of(plan, "oracle") == 4
    assert tables.epochs_of(replace(plan, steps=plan.steps), "atso") == 23


def test_columns_line_up() -> None:
    assert tables.align([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


# --- sets that were measured as a whole


def pooled(value: float, **columns: str) -> list[Row]:
    """A set's own value between those of its cases, whose mean is another."""
    own = {"generation": "final", "model": "labels", "metric": "iou", "label": "mean", **columns}
    cases = [row(value / 2, **{**own, "case": "a", "fold": "f1"}), row(value / 4, **{**own, "case": "b", "fold": "f2"})]
    folds = [row(value / 3, **{**own, "case": "", "fold": f}) for f in ("f1", "f2")]
    return [*cases, *folds, row(value, **{**own, "case": "", "fold": ""})]


def test_a_set_that_was_measured_as_a_whole_is_shown_as_that(scheme: Make) -> None:
    plan = build_plan(scheme(generations=1))
    rows = [r for label, v in (("road", 0.9), ("car", 0.3), ("mean", 0.6)) for r in pooled(v, label=label)]
    assert tables.select(rows, label="mean") == [0.6] and tables.select(rows, "f2", label="mean") == [0.2]
    assert cells(tables.outcome_table(plan, rows)) == [
        ["strategy", "epochs", "test IoU", "pseudo-label IoU"],
        ["atso", "15", "-", "60.0"],
    ]
    assert cells(tables.label_table(plan, rows)) == [
        ["strategy", "road", "car", "mean"],
        ["atso", "- / 90.0", "- / 30.0", "- / 60.0"],
    ]
    assert "over all pixels of a set" in tables.outcome_table(plan, rows)


def test_many_labels_get_a_table_for_each_set(scheme: Make) -> None:
    plan = build_plan(scheme(generations=1))
    rows = [r for n in range(8) for r in pooled(n / 10, label=f"class {n}")]
    rows += [row(0.5, generation="final", model="final", set="test", fold="", case="", metric="iou", label="class 3")]
    first, second = tables.label_table(plan, rows).split("\n\n")
    assert "test set" in first and cells(first)[1][4] == "50.0" and cells(first)[1][1] == "-"
    assert "pseudo labels" in second and cells(second)[1][4] == "30.0"


def test_reduced_classes_get_a_table_of_their_own(scheme: Make) -> None:
    variants = {"five": {"kind": "supervised", "reduced": True}}
    plan = build_plan(scheme(strategy="supervised", compare=("five",), variants=variants))
    rows = [
        *(
            row(v, generation="0", case="", fold="", metric="iou", model="labels", label=k)
            for k, v in (("car", 0.1), ("mean", 0.2))
        ),
        *(
            row(v, strategy="five", generation="0 reduced", case="", fold="", metric="iou", model="labels", label=k)
            for k, v in (("vehicle", 0.3), ("mean", 0.4))
        ),
    ]  # fmt: skip
    full, reduced = tables.label_table(plan, rows).split("\n\n")
    assert cells(full) == [["strategy", "car", "mean"], ["supervised", "- / 10.0", "- / 20.0"]]
    assert cells(reduced) == [["strategy", "vehicle", "mean"], ["five", "- / 30.0", "- / 40.0"]]
