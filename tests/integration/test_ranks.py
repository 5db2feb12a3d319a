"""A run whose trainings have two ranks each: stopped, killed, and continued."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from atso_monai.engine import Engine
from atso_monai.engine.record import read_result
from atso_monai.errors import ConfigError, RunChangedError
from atso_monai.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")]

SETTINGS = {
    "bundle": "msd_hippocampus", "split_seed": "1", "labelled": "3", "reference": "4", "test": "3",
    "strategy": "supervised", "epochs": "2", "views": "[axial]", "checkpoint": "{iterations: 4}", "ranks": "2",
    "devices": "[cpu, cpu]", "overrides": "{train: {epoch_length: 40, batch_size: 4, size: [24, 32, 24]}}",
}  # fmt: skip
MODEL = "model/g0/axial"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "output.txt"


@pytest.fixture(scope="module")
def start(tool: ModuleType, dataset_dir: Path, log: Path) -> Callable[..., Any]:
    return tool.atso_run(dataset_dir, log, SETTINGS)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def finished(tool: ModuleType, start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert tool.ended(start(run_dir, "inline")) == 0
    return run_dir


def processes(tool: ModuleType) -> Iterator[tuple[int, int]]:
    """Process and parent of all processes."""
    return sys.modules[tool.Started.__module__].processes()  # type: ignore[no-any-return]


def below(tool: ModuleType, pid: int) -> set[int]:
    """All processes that a process started, and those that these started."""
    children: dict[int, set[int]] = {}
    for child, parent in processes(tool):
        children.setdefault(parent, set()).add(child)
    found, waiting = set[int](), [pid]
    while waiting:
        new = children.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def until_in_the_middle(tool: ModuleType, process: Any, run_dir: Path) -> None:
    stamp = tool.newest(run_dir, "checkpoint.json")
    while process.poll() is None and tool.newest(run_dir, "checkpoint.json") == stamp:
        time.sleep(0.01)
    assert process.poll() is None


def test_ranks_are_told_where_they_count(finished: Path, log: Path) -> None:
    result = read_result(finished / MODEL)
    assert result is not None
    assert (result.settings["ranks"], result.settings["device"]) == (2, "cpu,cpu")
    assert read_json(finished / "run.json")["settings"]["ranks"] == 2
    config = (finished / MODEL / "config.yaml").read_text(encoding="utf-8")
    assert "#   torchrun --standalone --nproc_per_node 2 -m monai.bundle run --config_file config.yaml" in config
    assert read_json(finished / MODEL / "progress.json")["total"] == 40  # 2 epochs of 40 batches, two at a time
    assert "each training in 2 processes: 2 batches a step" in log.read_text(encoding="utf-8")
    assert "distributed_network" not in yaml.safe_load((finished / "bundle/configs/train.yaml").read_text())
    assert (finished / "bundle/configs/multi_gpu_train.yaml").is_file()


def test_stopped_and_killed_such_a_run_leaves_no_process_and_ends_the_same(
    tool: ModuleType, start: Callable[..., Any], finished: Path, log: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "local")
    until_in_the_middle(tool, process, run_dir)
    started, began = set().union(*(below(tool, pid) for pid in process.workers())), time.monotonic()
    assert len(started) >= 2
    os.kill(process.pid, signal.SIGTERM)
    assert tool.ended(process) == 75
    assert time.monotonic() - began < 10
    assert "model/g0/axial: kept up to iteration" in log.read_text(encoding="utf-8")

    process = start(run_dir, "inline")
    until_in_the_middle(tool, process, run_dir)
    started |= set(process.workers())
    os.kill(process.pid, signal.SIGKILL)
    assert tool.ended(process) == -signal.SIGKILL
    tool.until_alone(process)
    until = time.monotonic() + 10
    while (left := started & {pid for pid, _ in processes(tool)}) and time.monotonic() < until:
        time.sleep(0.02)
    assert not left

    assert tool.ended(start(run_dir, "inline")) == 0
    assert log.read_text(encoding="utf-8").count("model/g0/axial: goes on at iteration") == 2
    assert tool.differences(run_dir, tool.artefacts(finished)) == []


def test_another_number_of_ranks_is_another_run(
    finished: Path, make_engine: Callable[..., Engine], small: dict[str, Any]
) -> None:
    overrides = {"train": {"epoch_length": 40, "batch_size": 4, "size": [24, 32, 24]}}
    settings = {"strategy": "supervised", "epochs": 2, "views": ["axial"], "overrides": overrides, "generations": 2}
    make_engine(finished, **settings, ranks=2).require_same()
    with pytest.raises(RunChangedError, match="ranks: was 2, now None"):
        make_engine(finished, **settings).require_same()


def test_what_cannot_be_trained_in_ranks_is_refused_before_work(
    make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    for changes, message in (
        ({"ranks": 3, "devices": ["cpu", "cpu"]}, "ranks: 3 takes 3 devices for each training, but devices has 2"),
        ({"ranks": 0}, "ranks must be a whole number of at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_engine(tmp_path / "run", **changes).run()
        assert not (tmp_path / "run").exists()
