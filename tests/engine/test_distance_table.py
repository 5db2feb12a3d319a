from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from statistics import fmean, stdev

import pytest

from atso_monai.engine import Plan, Scheme, build_plan
from atso_monai.engine.distance_table import distance_table, spread_mm, without
from atso_monai.engine.tables import Row

HD95, ASSD = (4.0, 8.0, inf, nan), (1.0, 3.0, inf, nan)


@pytest.fixture
def plan(scheme: Callable[..., Scheme]) -> Plan:
    return build_plan(scheme(compare=("supervised",), generations=1))


def rows_of(label: str = "liver", **columns: str) -> list[Row]:
    at = {"strategy": "atso", "generation": "final", "model": "final", "set": "test", "fold": "", **columns}
    return [
        {**at, "case": f"c{k}", "label": label, "metric": metric, "value": f"{value:.6f}"}
        for metric, values in (("hd95", HD95), ("assd", ASSD))
        for k, value in enumerate(values)
    ]


def cells(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.split("  ") if c.strip()] for line in text.splitlines()[1:]]


def test_cases_without_a_surface_are_in_no_mean_and_counted(plan: Plan) -> None:
    reference = rows_of(model="labels", set="reference", fold="f1")
    head, line = cells(distance_table(plan, [*rows_of(), *reference]))
    assert head == [
        "strategy", "label", "test HD95", "test ASSD", "none", "pseudo-label HD95", "pseudo-label ASSD", "none",
    ]  # fmt: skip
    spread = [f"{fmean(v[:2]):.2f} ± {stdev(v[:2]):.2f}" for v in (HD95, ASSD)]
    assert line == ["atso", "liver", *spread, "2 of 4", *spread, "2 of 4"]


def test_what_was_not_measured_is_a_dash(plan: Plan) -> None:
    assert cells(distance_table(plan, rows_of()))[1][-3:] == ["-", "-", "-"]
    assert distance_table(plan, [{**rows_of()[0], "metric": "dsc"}]) == ""
    assert distance_table(plan, []) == ""


def test_each_label_and_strategy_has_a_line(plan: Plan) -> None:
    labels = ["liver", "tumour", "foreground"]
    rows = [r for label in labels for r in rows_of(label)]
    rows += rows_of(strategy="supervised", generation="0", model="all")
    lines = [line[:2] for line in cells(distance_table(plan, rows))[1:]]
    assert lines == [["atso", label] for label in labels] + [["supervised", "liver"]]


def test_of_many_labels_the_main_one_alone(plan: Plan) -> None:
    rows = [r for label in [*map(str, range(9)), "foreground"] for r in rows_of(label)]
    assert [line[:2] for line in cells(distance_table(plan, rows))[1:]] == [["atso", "foreground"]]


def test_no_distance_at_all() -> None:
    assert spread_mm([inf, nan]) == spread_mm([]) == "-"
    assert spread_mm([1.0, inf]) == "1.00"
    assert (without([inf, nan, 1.0]), without([1.0]), without([])) == ("2 of 3", "0 of 1", "-")
