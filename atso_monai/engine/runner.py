"""Walks a plan on an executor. What a step is and how it is carried out come in as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Any, Protocol

from atso_monai.engine.executors import describe
from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.record import Result, read_result, why_not_done
from atso_monai.engine.schedule import ready
from atso_monai.engine.worker import LOG, Order
from atso_monai.errors import StepFailedError


class Listener(Protocol):
    """Who is told what happens: see :class:`atso_monai.engine.reporter.Reporter`."""

    def kept(self, step: Step) -> None:
        """A step was done before."""

    def started(self, step: Step, reason: str) -> None:
        """A step was handed to the executor, and why."""

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
    write: Callable[[Draft], None],
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
        write: writes the folder of a described step.
        execute: carries out an order; runs in the executor.
        listener: is told what happens.
        slots: how many steps to hand out at a time.

    Returns:
        The record of every step, by artefact.

    Raises:
        StepFailedError: for the first step that fails, after the steps that ran beside it have ended.
    """
    waiting, results = list(plan.steps), dict[str, Result]()
    running: dict[Future[dict[str, Any]], tuple[Step, Order]] = {}
    failure: StepFailedError | None = None
    while waiting or running:
        for step in [] if failure else ready(waiting, results, slots - len(running)):
            waiting.remove(step)
            described = draft(step, {name: results[name].digest for name in step.needs})
            folder = Path(described.order.folder)
            reason = why_not_done(folder, described.order.key)
            kept = None if reason else read_result(folder)
            if kept is not None:
                results[step.makes] = kept
                listener.kept(step)
                continue
            write(described)
            listener.started(step, reason)
            running[executor.submit(execute, described.order)] = (step, described.order)
        done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED) if running else (set(), set())
        for future in done:
            step, order = running.pop(future)
            error = future.exception()
            if error is None:
                results[step.makes] = Result(**future.result())
                listener.finished(step, results[step.makes])
            else:
                listener.failed(step, describe(error))
                failure = failure or StepFailedError(step.makes, describe(error), Path(order.folder) / LOG)
        listener.tick()
        if failure and not running:
            raise failure
    return results
