from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from atso_monai.engine import Plan, Scheme, build_plan
from atso_monai.engine.forecast import Forecast, forecast, forecast_table, require_memory
from atso_monai.engine.schedule import Room
from atso_monai.engine.trial import Trials
from atso_monai.errors import ConfigError
from atso_monai.handlers import Measured

TRIALS = Trials(
    train=Measured(start=5.0, iteration=0.5, total=300, memory=2_000_000_000, gpu_memory=0),
    predict=Measured(start=4.0, iteration=1.0, total=2, memory=1_000_000_000, gpu_memory=0),
    weights=1_000_000,
    labels=1000,
)
CASES = {"f1": 10, "f2": 20, "test": 5}


@pytest.fixture
def plan(scheme: Callable[..., Scheme]) -> Plan:
    """M_0 of 3 epochs, all others of 4."""
    return build_plan(scheme(generations=1))


def found(plan: Plan, done: tuple[str, ...] = (), workers: int = 2) -> Forecast:
    return forecast(plan, TRIALS, CASES, done=done, room=Room(workers), cache=9_000_000)


def test_steps_are_told_by_their_length(plan: Plan) -> None:
    seconds = found(plan).seconds
    assert seconds["model/g0/axial"] == 5.0 + 0.5 * 299  # 100 iterations an epoch
    assert seconds["model/final/axial"] == 5.0 + 0.5 * 399
    assert seconds["labels/g1/f1"] == 4.0 + 9
    assert seconds["labels/g1/f2"] == 4.0 + 19


def test_what_is_done_takes_no_time(plan: Plan) -> None:
    first = tuple(step.makes for step in plan.steps if step.generation == "0")
    rest = found(plan, done=first)
    assert all(rest.seconds[name] == 0 for name in first)
    assert rest.wall < found(plan).wall
    assert "train" in forecast_table(rest)


def test_one_worker_takes_the_sum(plan: Plan) -> None:
    alone = found(plan, workers=1)
    assert alone.wall == pytest.approx(sum(alone.seconds.values()))
    assert alone.memory == 2_000_000_000
    assert found(plan).memory == 4_000_000_000


def test_disk_counts_every_network_and_label(plan: Plan) -> None:
    trained = sum(step.kind == "train" for step in plan.steps)
    predicted = sum(CASES[name] for step in plan.steps for name in step.cases)
    assert found(plan).disk == trained * 1_000_000 + predicted * 1000


def test_the_table_names_hours_memory_and_disk(plan: Plan) -> None:
    text = forecast_table(found(plan))
    assert "memory         about 4.0 GB for 2 steps at a time" in text
    assert "9.0 MB of prepared volumes" in text
    with_gpu = replace(found(plan), gpu_memory=3_000_000_000)
    assert "3.0 GB on each GPU" in forecast_table(with_gpu)


def test_what_does_not_fit_is_refused_with_what_would(plan: Plan) -> None:
    require_memory(found(plan), available=4_000_000_000)
    with pytest.raises(ConfigError, match="Take --workers 1"):
        require_memory(found(plan), available=3_000_000_000)
    with pytest.raises(ConfigError, match="smaller batch_size"):
        require_memory(found(plan), available=1_000_000_000)
    require_memory(found(plan), available=0)  # a system that does not tell
