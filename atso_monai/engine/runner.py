"""Walks a plan on an executor. What a step is and how it is carried out come in as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.processes import describe
from atso_monai.engine.record import Result, read_result, why_not_done
from atso_monai.engine.schedule import ready
from atso_monai.engine.worker import LOG, Order
from atso_monai.errors import ClusterLostError, StepFailedError
from atso_monai.stopping import obey


class Listener(Protocol):
    """Who is told what happens: see :class:`atso_monai.engine.reporter.Reporter`."""

    def kept(self, step: Step) -> None:
        """A step was done before."""

    def started(self, step: Step, reason: str, note: str = "") -> None:
        """A step was handed to the executor: why, and what became of what an earlier attempt had left."""

    def finished(self, step: Step, result: Result) -> None:
        """A step is done."""

    def failed(self, step: Step, reason: str) -> None:
        """A step failed; the others that run are waited for."""

    def tick(self) -> None:
        """Called about twice a second while steps run."""


def walk(
    plan: Plan,
    executor: Executor,
    *,
    draft: Callable[[Step, Mapping[str, str]], Draft],
    write: Callable[[Draft], str],
    execute: Callable[[Order], dict[str, Any]],
    listener: Listener,
    slots: int,
) -> dict[str, Result]:
    """Carry out all steps of a plan that are not done yet, each as soon as what it needs is there.

    A step counts as done when its record holds: same key as it would get now, files as they were written. So a step
    is made again exactly when something that it is made from has changed.

    Args:
        plan: the plan.
        executor: where steps run.
        draft: describes a step, given the digests of the artefacts that are done.
        write: writes the folder of a described step; what it returns is told to the listener.
        execute: carries out an order; runs in the executor.
        listener: is told what happens.
        slots: how many steps to hand out at a time.

    Returns:
        The record of every step, by artefact.

    Raises:
        ClusterLostError: when the executor lost its workers for good.
        StepFailedError: for the first step that fails, after the steps that ran beside it have ended.
        StopSignal: when this process was asked to stop.
    """
    walking = _Walk(plan, executor, draft, write, execute, listener, slots)
    while walking.waiting or walking.running:
        if walking.failure is None:
            walking.hand_out()
        walking.collect()
        listener.tick()
        obey()
        if walking.failure is not None and not walking.running:
            raise walking.failure
    return walking.results


@dataclass
class _Walk:
    """A plan of which some steps wait, some run and some are done."""

    plan: Plan
    executor: Executor
    draft: Callable[[Step, Mapping[str, str]], Draft]
    write: Callable[[Draft], str]
    execute: Callable[[Order], dict[str, Any]]
    listener: Listener
    slots: int
    results: dict[str, Result] = field(default_factory=dict)
    running: dict[Future[dict[str, Any]], tuple[Step, Order]] = field(default_factory=dict)
    failure: StepFailedError | None = None

    def __post_init__(self) -> None:
        self.waiting = list(self.plan.steps)

    def hand_out(self) -> None:
        """Give ready steps to the executor, as many as may run; those that are done are kept."""
        for step in ready(self.waiting, self.results, self.slots - len(self.running)):
            self.waiting.remove(step)
            described = self.draft(step, {name: self.results[name].digest for name in step.needs})
            folder = Path(described.order.folder)
            reason = why_not_done(folder, described.order.key)
            kept = None if reason else read_result(folder)
            if kept is not None:
                self.results[step.makes] = kept
                self.listener.kept(step)
                continue
            self.listener.started(step, reason, self.write(described))
            self.running[self.executor.submit(self.execute, described.order)] = (step, described.order)

    def collect(self) -> None:
        """Wait a little for steps that run, and take what has ended."""
        done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED) if self.running else (set(), set())
        for future in done:
            step, order = self.running.pop(future)
            error = future.exception()
            if isinstance(error, ClusterLostError):  # not the fault of any step
                raise error
            if error is None:
                self.results[step.makes] = Result(**future.result())
                self.listener.finished(step, self.results[step.makes])
            else:
                self.listener.failed(step, describe(error))
                self.failure = self.failure or StepFailedError(step.makes, describe(error), Path(order.folder) / LOG)
