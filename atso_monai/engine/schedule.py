"""In which order steps are handed out, and how long a plan takes on a number of workers. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass

from atso_monai.engine.plan import Plan, Step

PREDICTION, SCORES = 1.0, 0.01
"""Rough times of a prediction and of a score step, in epochs: they only rank steps."""


def weight(step: Step) -> float:
    """About how long a step takes, in epochs."""
    return {"train": float(step.epochs), "predict": PREDICTION, "score": SCORES}[step.kind]


def ranks(plan: Plan) -> dict[str, float]:
    """For each step the weight of the longest chain of steps that begins with it."""
    found: dict[str, float] = {}
    behind: dict[str, float] = {}
    for step in reversed(plan.steps):  # each before what it needs
        found[step.makes] = rank = weight(step) + behind.get(step.makes, 0.0)
        for name in step.needs:
            behind[name] = max(behind.get(name, 0.0), rank)
    return found


class Queue:
    """The steps of a plan, each there to be taken when all that it needs is done.

    Those with the longest chain of steps behind them come first, then those that come first in the plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._steps, self._ranks = plan.steps, ranks(plan)
        self._numbers = {step.makes: number for number, step in enumerate(plan.steps)}
        self._missing = {step.makes: len(set(step.needs)) for step in plan.steps}
        self._waiting_for: dict[str, list[str]] = {}
        self._ready: list[tuple[float, int]] = []
        self._left = len(plan.steps)
        for step in plan.steps:
            for name in set(step.needs):
                self._waiting_for.setdefault(name, []).append(step.makes)
            if not step.needs:
                self._push(step.makes)

    def __len__(self) -> int:
        """Steps that were not taken yet."""
        return self._left

    def take(self, fits: Callable[[Step], bool] = lambda step: True) -> Step | None:
        """The next step, or None where it does not fit now, or all that are left need something that is not done."""
        if not self._ready or not fits(self._steps[self._ready[0][1]]):
            return None
        self._left -= 1
        return self._steps[heapq.heappop(self._ready)[1]]

    def done(self, makes: str) -> None:
        """An artefact is there."""
        for name in self._waiting_for.pop(makes, ()):
            self._missing[name] -= 1
            if not self._missing[name]:
                self._push(name)

    def _push(self, makes: str) -> None:
        heapq.heappush(self._ready, (-self._ranks[makes], self._numbers[makes]))


@dataclass(frozen=True)
class Room:
    """For which steps there is room at one time.

    Attributes:
        workers: steps, at most.
        devices: devices that they share, each lent to one at a time; 0 where none are handed out.
        ranks: devices that a training takes.
    """

    workers: int
    devices: int = 0
    ranks: int = 1

    def holds(self, steps: Collection[Step]) -> bool:
        """Whether some steps may run at one time."""
        return len(steps) <= self.workers and (not self.devices or sum(map(self._takes, steps)) <= self.devices)

    def trainings(self) -> int:
        """Trainings at a time."""
        return min(self.workers, self.devices // self.ranks) if self.devices else self.workers

    def others(self) -> int:
        """Steps of other kinds at a time."""
        return min(self.workers, self.devices) if self.devices else self.workers

    def _takes(self, step: Step) -> int:
        return self.ranks if step.kind == "train" else 1


def _whole(step: Step) -> int:
    return 1


def makespan(
    plan: Plan, seconds: Callable[[Step], float], room: Room | int, pieces: Callable[[Step], int] = _whole
) -> float:
    """Seconds from the first step to the last when steps are handed out as the runner does.

    Args:
        plan: the plan.
        seconds: how long a step takes; 0 for one that is done.
        room: for which steps there is room at one time; a number is that of the workers.
        pieces: into how many equal pieces a step is cut, which run side by side.
    """
    waiting, now = Queue(plan), 0.0
    begun: list[Step] = []  # one entry for each piece, the next one last
    left = {step.makes: pieces(step) for step in plan.steps}
    running: list[tuple[float, str]] = []
    named, busy = {step.makes: step for step in plan.steps}, list[Step]()
    room = Room(room) if isinstance(room, int) else room
    while True:
        while True:
            if not begun and (step := waiting.take(lambda one: room.holds([*busy, one]))) is not None:
                begun = [step] * pieces(step)
            if not begun or not room.holds([*busy, begun[-1]]):
                break
            piece = begun.pop()
            busy.append(piece)
            heapq.heappush(running, (now + seconds(piece) / pieces(piece), piece.makes))
        if not running:
            return now
        now, name = heapq.heappop(running)
        busy.remove(named[name])
        left[name] -= 1
        if not left[name]:
            waiting.done(name)


def critical_path(plan: Plan, seconds: Callable[[Step], float], pieces: Callable[[Step], int] = _whole) -> float:
    """Seconds of the longest chain of steps that need each other: no number of workers is faster."""
    ends: dict[str, float] = {}
    for step in plan.steps:  # in an order in which each comes after what it needs
        own = seconds(step) / pieces(step)
        ends[step.makes] = own + max((ends[name] for name in step.needs), default=0.0)
    return max(ends.values(), default=0.0)
