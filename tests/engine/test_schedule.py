from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.schedule import critical_path, makespan

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
