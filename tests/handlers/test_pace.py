from __future__ import annotations

import time
from pathlib import Path

import pytest
from ignite.engine import Engine

from atso_monai.handlers import Pace, read_measured


def run(path: Path, seconds: float, each: float, iterations: int) -> int:
    engine = Engine(lambda _, batch: time.sleep(each))
    Pace(path, seconds).attach(engine)
    engine.run(range(iterations), max_epochs=2)
    return engine.state.iteration


def test_a_run_is_stopped_and_its_pace_told(tmp_path: Path) -> None:
    done = run(tmp_path / "m.json", seconds=0.2, each=0.02, iterations=500)
    found = read_measured(tmp_path / "m.json")
    assert 2 <= done < 100
    assert found.total == 1000
    assert 0.02 <= found.iteration < 0.2
    assert found.start >= 0.02


def test_a_run_that_ends_before_is_measured_too(tmp_path: Path) -> None:
    assert run(tmp_path / "m.json", seconds=60, each=0.01, iterations=2) == 4
    assert read_measured(tmp_path / "m.json").total == 4


def test_one_iteration_stands_for_all(tmp_path: Path) -> None:
    run(tmp_path / "m.json", seconds=0, each=0.05, iterations=3)
    found = read_measured(tmp_path / "m.json")
    assert found.iteration == found.start >= 0.05


def test_memory_is_that_of_a_process_with_torch(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    run(tmp_path / "m.json", seconds=0, each=0, iterations=1)
    found = read_measured(tmp_path / "m.json")
    assert 5e7 < found.memory < 1e12
    assert found.gpu_memory >= 0
