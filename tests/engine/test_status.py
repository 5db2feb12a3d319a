from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from atso_monai.engine import Plan, Scheme, build_plan
from atso_monai.engine.record import Result, write_result
from atso_monai.engine.status import plan_table, recorded_plan, status_table
from atso_monai.errors import RunFolderError
from atso_monai.files import write_json, write_text


@pytest.fixture
def plan(scheme: Callable[..., Scheme]) -> Plan:
    return build_plan(scheme(generations=1, views=("axial",), test=False))


@pytest.fixture
def run_dir(tmp_path: Path, plan: Plan) -> Path:
    """A run with one step done, one running, one failed."""
    write_result(tmp_path / "model/g0/axial", Result("model/g0/axial", "k", {}, 63.0))
    write_text(tmp_path / "model/g0/axial" / "log.txt", "")
    write_text(tmp_path / "labels/g1/f1" / "log.txt", "going on")
    write_json(tmp_path / "labels/g1/f1" / "progress.json", {"done": 1, "total": 4})
    write_text(tmp_path / "labels/g1/f2" / "log.txt", "Traceback (most recent call last):\n  ...\nKeyError: 'x'\n")
    return tmp_path


def test_a_run_tells_its_plan(tmp_path: Path, scheme: Callable[..., Scheme]) -> None:
    for one in (scheme(), scheme(compare=("stso",), folds=3)):
        write_json(tmp_path / "run.json", {"plan": asdict(one), "settings": {}})
        assert recorded_plan(tmp_path) == build_plan(one)


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_folder_without_run(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match="holds no run"):
        recorded_plan(tmp_path)


def test_status(run_dir: Path, plan: Plan) -> None:
    text = status_table(plan, run_dir)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()}
    assert lines["model/g0/axial"] == "done 63 s"
    assert lines["labels/g1/f1"] == "begun 25%"
    assert lines["labels/g1/f2"] == "failed KeyError: 'x'"
    assert lines["model/final/axial"] == "waiting needs labels/final/f1"
    assert text.endswith(f"1 of {len(plan.steps)} steps done")


def test_plan(run_dir: Path, plan: Plan) -> None:
    text = plan_table(plan, run_dir)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()}
    assert lines["model/g0/axial"] == "train 3 done"
    assert lines["model/g1/f2/axial"] == "train 4 needs labels/g1/f1"
    assert f"{len(plan.steps)} steps, still to do: " in text
    assert "3 train" in text
    fresh = plan_table(plan, run_dir / "nowhere")
    assert "4 train" in fresh
