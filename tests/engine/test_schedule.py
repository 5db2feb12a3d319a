from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.schedule import Queue, Room, critical_path, makespan, ranks

Make = Callable[..., Scheme]


def chain(*names: str) -> Plan:
    return Plan(tuple(Step(b, "train", needs=(a,) if a else ()) for a, b in zip(("", *names), names, strict=False)))


def test_a_chain_takes_the_sum_on_any_number_of_workers() -> None:
    plan = chain("a", "b", "c")
    assert (
        makespan(plan, lambda _: 2.0, 1) == makespan(plan, lambda _: 2.0, 8) == critical_path(plan, lambda _: 2.0) == 6
    )


def test_independent_steps_share_the_workers() -> None:
    plan = Plan(tuple(Step(name, "train") for name in "abcdef"))
    assert [makespan(plan, lambda _: 1.0, n) for n in (1, 2, 3, 4, 6, 64)] == [6, 3, 2, 2, 1, 1]


def test_an_empty_plan_takes_no_time() -> None:
    assert makespan(Plan(), lambda _: 1.0, 2) == critical_path(Plan(), lambda _: 1.0) == 0


@pytest.mark.parametrize("workers", [1, 2, 3, 8, 64])
def test_between_the_bounds_of_graham(scheme: Make, workers: int) -> None:
    """List scheduling is never worse than work / n + critical path, and nothing beats either alone."""
    plan = build_plan(scheme(compare=("stso", "oracle"), generations=3, folds=3))
    draw = random.Random(workers)
    times = {step.makes: draw.uniform(0.5, 5) for step in plan.steps}

    def seconds(step: Any) -> float:
        return times[step.makes]

    work, path = sum(times.values()), critical_path(plan, seconds)
    assert max(work / workers, path) - 1e-9 <= makespan(plan, seconds, workers) <= work / workers + path + 1e-9
    if workers == 1:
        assert makespan(plan, seconds, 1) == pytest.approx(work)


def test_the_longest_chain_goes_first() -> None:
    """Longest step first would take 14: it starts x before a."""
    steps = (Step("x", "train", epochs=5), Step("y", "train", epochs=5), Step("a", "train", epochs=4))
    chain_of_a = (Step("b", "train", needs=("a",), epochs=4), Step("c", "train", needs=("b",), epochs=2))
    assert makespan(Plan(steps + chain_of_a), lambda s: float(s.epochs), 2) == 10


def test_ranks_are_those_of_the_longest_chain() -> None:
    plan = Plan(
        (Step("a", "train", epochs=3), Step("b", "predict", needs=("a",)), Step("c", "score", needs=("b", "a")))
    )
    assert ranks(plan) == {"a": pytest.approx(4.01), "b": pytest.approx(1.01), "c": pytest.approx(0.01)}


def test_the_queue_gives_each_step_once_when_its_needs_are_done(scheme: Make) -> None:
    plan = build_plan(scheme(compare=("stso", "oracle"), generations=2))
    queue, done = Queue(plan), list[str]()
    assert len(queue) == len(plan.steps)
    while queue:
        step = queue.take()
        assert step is not None
        assert set(step.needs) <= set(done)
        done.append(step.makes)
        queue.done(step.makes)
    assert sorted(done) == sorted(step.makes for step in plan.steps)
    assert queue.take() is None


def test_pieces_of_a_step_share_the_workers() -> None:
    plan = chain("a", "b")
    assert makespan(plan, lambda _: 4.0, 2, lambda _: 2) == 4
    assert makespan(plan, lambda _: 4.0, 1, lambda _: 2) == 8
    assert critical_path(plan, lambda _: 4.0, lambda _: 4) == 2


def test_trainings_of_several_ranks_share_the_devices() -> None:
    trainings = Plan(tuple(Step(name, "train", epochs=1) for name in "abcd"))
    assert makespan(trainings, lambda _: 2.0, Room(8, devices=4, ranks=2)) == 4
    assert makespan(trainings, lambda _: 2.0, Room(8, devices=5, ranks=3)) == 8
    assert makespan(trainings, lambda _: 2.0, Room(3, devices=8, ranks=2)) == 4
    predictions = Plan(tuple(Step(name, "predict") for name in "abcd"))
    assert makespan(predictions, lambda _: 2.0, Room(8, devices=4, ranks=2)) == 2


def test_large_plans_are_scheduled_in_no_time(scheme: Make) -> None:
    began = time.process_time()
    plan = build_plan(scheme(generations=50, folds=5))
    makespan(plan, lambda _: 1.0, 8)
    assert time.process_time() - began < 2
