from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from atso_monai.files import hash_file
from atso_monai.review.audit import COLUMNS, audit, write_audit
from atso_monai.review.read_run import ReadRun

Make = Callable[..., ReadRun]


def test_each_case_and_generation_has_its_label_and_maker(run: ReadRun) -> None:
    records = list(audit(run))
    reference = [r for r in records if r["role"] == "reference"]
    generations = Counter((r["case"], r["generation"]) for r in reference)
    ids = [case.id for case in run.cohort.reference]
    assert generations == {(case, g): 1 for case in ids for g in ("1", "2", "final", "result")}
    for r in reference:
        assert r["made_by"] == "model"
        assert hash_file(run.run_dir / r["label"]) == r["label_sha256"]
        assert hash_file(run.run_dir / r["maker"] / "model.pt") == r["maker_sha256"]
        assert (r["agreement"] != "") == (r["generation"] != "1")  # labels of M_0 have no second model


def test_no_model_trains_on_a_label_of_its_own_fold(run: ReadRun) -> None:
    fold = run.fold_of()
    for r in audit(run):
        if r["role"] == "reference" and r["generation"] in ("1", "2"):
            assert all(user.split("/")[2] != fold[r["case"]] for user in r["used_by"].split())


def test_labelled_cases_came_with_the_data(run: ReadRun) -> None:
    records = [r for r in audit(run) if r["role"] == "labelled"]
    assert {r["made_by"] for r in records} == {"given"}
    assert {r["generation"] for r in records} == {"0", "1", "2", "final"}
    assert all(hash_file(Path(r["label"])) == r["label_sha256"] for r in records)


@pytest.mark.parametrize("strategy", ["stso", "supervised", "oracle", "self_learning", "supervised_matched"])
def test_other_strategies(make_run: Make, tmp_path: Path, strategy: str) -> None:
    run = make_run(tmp_path / "run", strategy=strategy, compare=())
    records = list(audit(run))
    assert sum(r["generation"] == "result" for r in records) == 4
    truth = [r for r in records if r.get("maker") == "withheld truth (oracle)"]
    assert bool(truth) == (strategy == "oracle")


def test_an_unfinished_run(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", done=lambda step: step.generation in ("0", "1"))
    assert {r["generation"] for r in audit(run)} == {"0", "1"}


def test_the_file(run: ReadRun, tmp_path: Path) -> None:
    write_audit(audit(run), tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(list(audit(run)))
