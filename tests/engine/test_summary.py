from __future__ import annotations

from collections.abc import Callable

import pytest

from atso_monai.engine import Plan, Scheme, build_plan, tables
from atso_monai.engine.distance_table import distance_table
from atso_monai.engine.summary import summary
from atso_monai.engine.tables import Row

Make = Callable[..., Scheme]


@pytest.fixture
def plan(scheme: Make) -> Plan:
    return build_plan(scheme(generations=1))


def row(value: float, **columns: str) -> Row:
    rest = {"strategy": "atso", "generation": "final", "model": "final", "set": "test", "fold": "", "case": "a"}
    return {**rest, "label": "liver", "metric": "dsc", **columns, "value": f"{value:.6f}"}


AGREEMENT = row(0.66, generation="1", model="f1-f2", set="reference", fold="f1", metric="agreement")


def test_one_label_needs_no_table_of_labels(plan: Plan) -> None:
    rows = [row(0.5), AGREEMENT]
    parts = [tables.outcome_table(plan, rows), tables.generation_table(rows, "atso")]
    assert summary(plan, rows) == "\n\n".join(parts)


def test_several_labels_and_distances_have_tables_of_their_own(plan: Plan) -> None:
    rows = [row(0.5, label=name) for name in ("liver", "tumour", "foreground")]
    rows += [{**r, "metric": metric} for metric in ("hd95", "assd") for r in rows]
    text = summary(plan, rows)
    assert tables.label_table(plan, rows) in text
    assert distance_table(plan, rows) in text


def test_without_truth_there_is_no_dsc_to_show(plan: Plan) -> None:
    text = summary(plan, [AGREEMENT])
    assert text.startswith("No truth is known")
    assert "66.0" in text  # the agreement of the models needs no truth
    assert summary(plan, []).startswith("No truth is known")
