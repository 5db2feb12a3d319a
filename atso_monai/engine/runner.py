"""Walks a plan on an executor. What a step is and how it is carried out come in as arguments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.processes import describe
from atso_monai.engine.record import Result, read_result, why_not_done
from atso_monai.engine.schedule import Queue, Room
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
    gather: Callable[[Draft], Result],
    listener: Listener,
    room: Room,
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
        gather: makes one artefact of the shards of a described step.
        listener: is told what happens.
        room: for how many steps, or shards of steps, there is room at one time.

    Returns:
        The record of every step, by artefact.

    Raises:
        ClusterLostError: when the executor lost its workers for good.
        StepFailedError: for the first step that fails, after the steps that ran beside it have ended.
        StopSignal: when this process was asked to stop.
    """
    walking = _Walk(plan, executor, draft, write, execute, gather, listener, room)
    while walking.queue or walking.pieces or walking.running:
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
    gather: Callable[[Draft], Result]
    listener: Listener
    room: Room
    results: dict[str, Result] = field(default_factory=dict)
    running: dict[Future[dict[str, Any]], tuple[Step, Order]] = field(default_factory=dict)
    pieces: deque[tuple[Step, Order]] = field(default_factory=deque)
    cut: dict[str, tuple[Draft, int]] = field(default_factory=dict)
    failure: StepFailedError | None = None

    def __post_init__(self) -> None:
        self.queue = Queue(self.plan)

    def hand_out(self) -> None:
        """Give work to the executor, as much as may run; none overtakes a step that waits for room."""
        while True:
            while not self.pieces:
                if (step := self.queue.take(self._has_room)) is None:
                    return
                self._begin(step)
            if not self._has_room(self.pieces[0][0]):
                return
            piece = self.pieces.popleft()
            self.running[self.executor.submit(self.execute, piece[1])] = piece

    def _has_room(self, step: Step) -> bool:
        return self.room.holds([*(running for running, _ in self.running.values()), step])

    def _begin(self, step: Step) -> None:
        """Keep a step that is done; else have its work ready, in one piece or in the shards that are missing."""
        described = self.draft(step, {name: self.results[name].digest for name in step.needs})
        folder = Path(described.order.folder)
        reason = why_not_done(folder, described.order.key)
        kept = None if reason else read_result(folder)
        if kept is not None:
            self._done(step, kept)
            self.listener.kept(step)
            return
        self.listener.started(step, reason, self.write(described))
        if not described.shards:
            self.pieces.append((step, described.order))
            return
        missing = [one for one in described.shards if why_not_done(Path(one.order.folder), one.order.key)]
        for shard in missing:
            self.write(shard)
            self.pieces.append((step, shard.order))
        self.cut[step.makes] = described, len(missing)
        self._gather_if_complete(step)

    def collect(self) -> None:
        """Wait a little for what runs, and take what has ended."""
        done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED) if self.running else (set(), set())
        for future in done:
            step, order = self.running.pop(future)
            error = future.exception()
            if isinstance(error, ClusterLostError):  # not the fault of any step
                raise error
            if error is not None:
                self.listener.failed(step, describe(error))
                self.failure = self.failure or StepFailedError(step.makes, describe(error), Path(order.folder) / LOG)
            elif step.makes in self.cut:
                described, missing = self.cut[step.makes]
                self.cut[step.makes] = described, missing - 1
                self._gather_if_complete(step)
            else:
                self._finish(step, Result(**future.result()))

    def _gather_if_complete(self, step: Step) -> None:
        described, missing = self.cut[step.makes]
        if not missing:
            del self.cut[step.makes]
            self._finish(step, self.gather(described))

    def _finish(self, step: Step, result: Result) -> None:
        self._done(step, result)
        self.listener.finished(step, result)

    def _done(self, step: Step, result: Result) -> None:
        self.results[step.makes] = result
        self.queue.done(step.makes)
