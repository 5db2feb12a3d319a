"""Runs that are killed or stopped and go on; the long form of the first test is ``benchmarks/kill_test.py``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atso_monai.engine.status import recorded_plan, status_table

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")]

SETTINGS = {
    "bundle": "msd_hippocampus", "split_seed": "1", "labelled": "3", "reference": "4", "test": "3",
    "strategy": "supervised", "epochs": "2", "views": "[axial]", "checkpoint": "{iterations: 4}",
    "overrides": "{train: {epoch_length: 30, batch_size: 4, size: [24, 32, 24]}}",
}  # fmt: skip


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "output.txt"


@pytest.fixture(scope="session")
def start(tool: ModuleType, dataset_dir: Path, log: Path) -> Callable[..., Any]:
    return tool.atso_run(dataset_dir, log, SETTINGS)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def expected(tool: ModuleType, start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Artefacts of a run that nothing disturbed."""
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert tool.ended(start(run_dir, "inline")) == 0
    return tool.artefacts(run_dir)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def stopped(
    tool: ModuleType, start: Callable[..., Any], log: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, float]:
    """A run that got SIGTERM inside its first training, and the seconds that it took to leave."""
    run_dir = tmp_path_factory.mktemp("stopped") / "run"
    process = start(run_dir, "local")
    while process.poll() is None and not tool.newest(run_dir):
        time.sleep(0.01)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    assert tool.ended(process) == 75
    return run_dir, time.monotonic() - began


def test_killed_at_random_moments_a_run_ends_the_same(
    tool: ModuleType, start: Callable[..., Any], expected: dict[str, str], tmp_path: Path
) -> None:
    torment = tool.Torment(start, ("worker", "checkpoint"), patience=1.0, seed=os.getpid())
    for number in range(2):
        torment.kill(tmp_path / "run", number)
    assert tool.ended(start(tmp_path / "run", "inline")) == 0, torment.rows
    assert tool.differences(tmp_path / "run", expected) == [], torment.rows


def test_asked_to_stop_a_run_leaves_soon_and_says_how_to_go_on(stopped: tuple[Path, float], log: Path) -> None:
    run_dir, seconds = stopped
    assert seconds < 10
    text = log.read_text(encoding="utf-8")
    assert "model/g0/axial: kept up to iteration" in text
    assert "stopped by SIGTERM. Run the same command again to continue (exit code 75)." in text
    assert "Traceback" not in text
    states = [line.split()[:2] for line in status_table(recorded_plan(run_dir), run_dir).splitlines()]
    assert ["model/g0/axial", "stopped"] in states
    assert not list(run_dir.rglob("result.json"))


def test_a_half_finished_training_goes_on_elsewhere(
    tool: ModuleType, start: Callable[..., Any], stopped: tuple[Path, float], expected: dict[str, str], log: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    moved = shutil.copytree(stopped[0], tmp_path / "moved #2")
    at = json.loads((moved / "model/g0/axial/checkpoint/checkpoint.json").read_text())["iteration"]
    assert 0 < at < 60
    assert tool.ended(start(moved, "inline")) == 0
    assert f"model/g0/axial: goes on at iteration {at} of 60" in log.read_text(encoding="utf-8")
    assert tool.differences(moved, expected) == []
    assert not list(moved.rglob("checkpoint"))


def test_a_truncated_checkpoint_is_named_and_not_used(
    tool: ModuleType, start: Callable[..., Any], stopped: tuple[Path, float], expected: dict[str, str], log: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    run_dir = shutil.copytree(stopped[0], tmp_path / "run")
    file = next((run_dir / "model/g0/axial/checkpoint").glob("state-*.pt"))
    file.write_bytes(file.read_bytes()[:-100])
    assert tool.ended(start(run_dir, "inline")) == 0
    said = f"model/g0/axial: its checkpoint is not used, {file.name} is not as it was written; starts anew"
    assert said in log.read_text(encoding="utf-8")
    assert tool.differences(run_dir, expected) == []
