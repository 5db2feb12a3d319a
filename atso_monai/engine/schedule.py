"""How long a plan takes on a number of workers, from what its steps take. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection

from atso_monai.engine.plan import Plan, Step


def ready(waiting: Collection[Step], done: Collection[str], free: int) -> list[Step]:
    """The first ``free`` waiting steps whose needs are all done; long trainings before the rest."""
    able = [step for step in waiting if all(name in done for name in step.needs)]
    return sorted(able, key=lambda step: -step.epochs)[: max(free, 0)]


def makespan(plan: Plan, seconds: Callable[[Step], float], workers: int) -> float:
    """Seconds from the first step to the last when steps are handed out as the runner does.

    Args:
        plan: the plan.
        seconds: how long a step takes; 0 for one that is done.
        workers: steps at a time, at least 1.
    """
    waiting, done, now = list(plan.steps), set[str](), 0.0
    running: list[tuple[float, int, str]] = []
    while waiting or running:
        for step in ready(waiting, done, workers - len(running)):
            waiting.remove(step)
            heapq.heappush(running, (now + seconds(step), len(waiting), step.makes))
        now, _, name = heapq.heappop(running)
        done.add(name)
    return now


def critical_path(plan: Plan, seconds: Callable[[Step], float]) -> float:
    """Seconds of the longest chain of steps that need each other: no number of workers is faster."""
    ends: dict[str, float] = {}
    for step in plan.steps:  # in an order in which each comes after what it needs
        ends[step.makes] = seconds(step) + max((ends[name] for name in step.needs), default=0.0)
    return max(ends.values(), default=0.0)
