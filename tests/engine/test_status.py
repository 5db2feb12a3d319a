from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from atso_monai.engine import Plan, Scheme, build_plan
from atso_monai.engine.board import Posted
from atso_monai.engine.record import Result, write_result
from atso_monai.engine.standing import Standing, run_left
from atso_monai.engine.status import plan_table, recorded_plan, status_table
from atso_monai.errors import RunFolderError
from atso_monai.files import write_json, write_text


@pytest.fixture
def plan(scheme: Callable[..., Scheme]) -> Plan:
    return build_plan(scheme(generations=1, views=("axial",), test=False))


@pytest.fixture
def run_dir(tmp_path: Path, plan: Plan) -> Path:
    """A run with one step done, one running, one stopped, one failed, and no engine."""
    write_result(tmp_path / "model/g0/axial", Result("model/g0/axial", "k", {}, 60.0))
    write_text(tmp_path / "model/g0/axial" / "log.txt", "")
    write_result(tmp_path / "labels/g1/f1", Result("labels/g1/f1", "k", {}, 10.0))
    write_text(tmp_path / "labels/g1/f2" / "log.txt", "Traceback (most recent call last):\n  ...\nKeyError: 'x'\n")
    stopped = tmp_path / "model/g1/f2/axial"
    write_text(stopped / "log.txt", "Traceback (most recent call last):\n  ...\nstopped by SIGTERM.\n")
    write_json(
        stopped / "checkpoint" / "checkpoint.json",
        {"belongs_to": {}, "file": "s.pt", "sha256": "", "iteration": 30, "total": 120, "beside": {}},
    )
    return tmp_path


@pytest.fixture
def at_work(run_dir: Path) -> Path:
    """The same with an engine on another machine that took up the stopped step."""
    now = time.time()
    write_json(run_dir / ".engine.json", {"host": "node7", "pid": 3, "beat": 9, "since": now - 3600, "at": now - 5})
    running = {"model/g1/f2/axial": [now - 105, 0.25]}
    write_json(run_dir / ".steps.json", {"workers": 2, "running": running, "failed": {"labels/g1/f2": "no memory"}})
    write_json(run_dir / "model/g1/f2/axial" / "progress.json", {"done": 60, "total": 120})
    return run_dir


def by_step(text: str) -> dict[str, str]:
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines[: lines.index("")]}


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


def test_status_of_a_run_that_nobody_works_on(run_dir: Path, plan: Plan) -> None:
    text = status_table(plan, run_dir)
    lines = by_step(text)
    assert lines["step"] == "state time done what remains, or why it waits"
    assert lines["model/g0/axial"] == "done 60 s"
    assert lines["model/g1/f2/axial"] == "stopped 25% goes on at iteration 30 of 120"
    assert lines["labels/g1/f2"] == "failed KeyError: 'x'"
    assert lines["model/g1/f1/axial"] == "pending needs labels/g1/f2"
    assert lines["model/final/axial"].startswith("pending needs ")
    assert f"labels/g1/f2 failed: KeyError: 'x'\n  its log: {run_dir / 'labels/g1/f2' / 'log.txt'}" in text
    assert f"2 of {len(plan.steps)} steps done, 1 stopped, 1 failed; about " in text
    assert text.endswith("nobody works on it; run the same command again to continue")


def test_status_of_a_run_at_work(at_work: Path, plan: Plan) -> None:
    text = status_table(plan, at_work)
    lines = by_step(text)
    assert lines["model/g1/f2/axial"] == "running 2 min 50% about 4 min left"  # a quarter in 105 s, two to go
    assert lines["labels/g1/f2"] == "failed no memory"
    assert "1 running, 1 failed; about " in text
    assert " left with 2 at a time" in text
    assert "an engine works here: process 3 on node7, since 20" in text
    assert text.endswith("last sign 5 s ago")


def test_time_left_of_a_run(plan: Plan) -> None:
    """20 s an epoch, 10 s a prediction: the rest of the plan on one worker and on many."""
    done = {"model/g0/axial": 60.0, "labels/g1/f1": 10.0}
    found = [Standing(s, "done", done[s.makes], 1.0) if s.makes in done else Standing(s, "pending") for s in plan.steps]
    epochs = sum(step.epochs for step in plan.steps if step.makes not in done)
    labels = sum(step.kind == "predict" for step in plan.steps) - 1
    assert run_left(plan, found, Posted(1)) == 20 * epochs + 10 * labels
    chain = 10 + 20 * 4 + 10 + 20 * 4
    assert run_left(plan, found, Posted(64)) == chain
    nothing = [Standing(step, "pending") for step in plan.steps]
    assert run_left(plan, nothing, Posted()) is None
    assert run_left(plan, [Standing(s, "done", 1.0, 1.0) for s in plan.steps], Posted()) == 0


def test_status_of_a_finished_run(tmp_path: Path, plan: Plan) -> None:
    for step in plan.steps:
        write_result(tmp_path / step.makes, Result(step.makes, "k", {}, 1.0))
    text = status_table(plan, tmp_path)
    assert text.endswith(f"{len(plan.steps)} of {len(plan.steps)} steps done\nnobody works on it")


def test_nothing_is_written(at_work: Path, plan: Plan) -> None:
    before = {path: path.stat().st_mtime_ns for path in at_work.rglob("*")}
    status_table(plan, at_work)
    assert {path: path.stat().st_mtime_ns for path in at_work.rglob("*")} == before


def test_plan(run_dir: Path, plan: Plan) -> None:
    text = plan_table(plan, run_dir)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()}
    assert lines["model/g0/axial"] == "train 3 done"
    assert lines["model/g1/f2/axial"] == "train 4 not made yet"
    assert f"{len(plan.steps)} steps, still to do: " in text
    assert "3 train" in text
    fresh = plan_table(plan, run_dir / "nowhere")
    assert "4 train" in fresh
