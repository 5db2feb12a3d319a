"""What is tracked of a run, read from its folder: loss curves of trainings, scores, how long each step took."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Protocol

from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result
from atso_monai.handlers import read_losses, read_progress
from atso_monai.handlers.loss_curve import FILE
from atso_monai.metrics.sheet import DISTANCES

POINTS = 1000
"""Points of a loss curve, about."""


class Sink(Protocol):
    """Where steps are tracked: one run per step. Each method may raise anything."""

    def knows(self, step: Step, key: str) -> bool:
        """Whether the step is there, finished."""

    def begin(self, step: Step, key: str) -> None:
        """Begin the run of a step, or continue it where it was begun with the same key."""

    def losses(self, step: Step, points: Sequence[tuple[int, float]]) -> None:
        """Add iterations and losses; those that are there already are given again after a restart."""

    def metrics(self, step: Step, values: Mapping[str, float]) -> None:
        """Add single numbers."""

    def end(self, step: Step, state: str) -> None:
        """Close the run of a step: ``done``, ``failed`` or ``stopped``."""


class Feed:
    """Feeds one sink from a run folder.

    Args:
        sink: where to.
        run_dir: the run folder.
    """

    def __init__(self, sink: Sink, run_dir: Path) -> None:
        self._sink, self._run_dir = sink, run_dir
        self._running: dict[str, tuple[Step, int]] = {}

    def begin(self, step: Step, key: str) -> None:
        """A step starts."""
        self._running[step.makes] = (step, 0)
        self._sink.begin(step, key)

    def look(self) -> None:
        """Send what the trainings that run have left since the last look."""
        for step, _ in list(self._running.values()):
            self._send_losses(step)

    def finish(self, step: Step, result: Result) -> None:
        """A step is done."""
        scores = mean_scores(self._run_dir / step.makes / "scores.csv") if step.kind == "score" else {}
        self._sink.metrics(step, {**scores, "seconds": result.seconds})
        self.end(step, "done")

    def end(self, step: Step, state: str) -> None:
        """A step runs no more."""
        self._send_losses(step)
        del self._running[step.makes]
        self._sink.end(step, state)

    def catch_up(self, step: Step, result: Result) -> None:
        """A step was done before, perhaps without being tracked."""
        if not self._sink.knows(step, result.key):
            self.begin(step, result.key)
            self.finish(step, result)

    def stop(self) -> None:
        """No step runs any more."""
        for step, _ in list(self._running.values()):
            self.end(step, "stopped")

    def _send_losses(self, step: Step) -> None:
        sent, folder = self._running[step.makes][1], self._run_dir / step.makes
        every = max(1, int(read_progress(folder / "progress.json").get("total") or 0) // POINTS)
        points = [(n, loss) for n, loss in read_losses(folder / FILE) if n > sent and (n % every == 0 or n == 1)]
        if points:
            self._running[step.makes] = (step, points[-1][0])
            self._sink.losses(step, points)


def mean_scores(file: Path) -> dict[str, float]:
    """Means over the cases of a table of scores, by ``metric/set/model/label``; folds are part of the set's name.

    Of distances, those of cases without a surface are in no mean; ``<metric> none/...`` says how many these are.
    """
    values: dict[str, list[float]] = {}
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                cases = f"{row['set']} {row['fold']}" if row["fold"] else row["set"]
                name = "/".join((row["metric"], cases, row["model"], row["label"].replace("/", "_")))
                values.setdefault(re.sub(r"[^\w.\- /]", "_", name), []).append(float(row["value"]))
    means: dict[str, float] = {}
    for name, found in values.items():
        known = [value for value in found if isfinite(value)]
        means |= {name: fmean(known)} if known else {}
        metric, _, rest = name.partition("/")
        means |= {f"{metric} none/{rest}": float(len(found) - len(known))} if metric in DISTANCES else {}
    return means
