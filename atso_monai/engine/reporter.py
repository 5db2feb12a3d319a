"""Every line that a person sees while a run goes on: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from atso_monai.checkpoint import CheckpointFolder
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.processes import LEAVE
from atso_monai.engine.record import Result
from atso_monai.engine.shards import fraction_done


def clock(seconds: float) -> str:
    """A duration for people: ``48 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


class TimeLeft:
    """How long the rest of a plan takes, from the steps of the same kind that ran so far.

    Work is counted in epochs for trainings and in steps otherwise.
    """

    def __init__(self, plan: Plan, workers: int) -> None:
        self._left = {step.makes: step for step in plan.steps}
        self._workers = workers
        self._spent: dict[str, tuple[float, float]] = {}

    @staticmethod
    def work(step: Step) -> float:
        """Units of work of a step."""
        return float(step.epochs or 1)

    def done(self, step: Step, seconds: float | None) -> None:
        """Count a step as done; ``seconds`` None for one that was done before."""
        self._left.pop(step.makes, None)
        if seconds is not None:
            work, time_ = self._spent.get(step.kind, (0.0, 0.0))
            self._spent[step.kind] = (work + self.work(step), time_ + seconds)

    def seconds_left(self, running: dict[str, tuple[float, float]]) -> float | None:
        """Seconds until the end, or None while no training has told its pace.

        Args:
            running: for each step that runs, the fraction done and the seconds since its start.
        """
        pace = {kind: seconds / work for kind, (work, seconds) in self._spent.items()}
        for name, (fraction, seconds) in running.items():
            if name in self._left and fraction > 0.1:
                pace.setdefault(self._left[name].kind, seconds / fraction / self.work(self._left[name]))
        if "train" not in pace:
            return None
        left = sum(
            pace.get(step.kind, 0.0) * self.work(step) * (1 - running.get(name, (0.0, 0.0))[0])
            for name, step in self._left.items()
        )
        return left / max(1, self._workers)


class Reporter:
    """Tells a person how a run goes.

    Args:
        plan: the run's plan.
        run_dir: the run folder, where running steps leave their progress.
        workers: steps at a time.
        stream: where to write; bars when it is a terminal, plain lines otherwise.
    """

    def __init__(self, plan: Plan, run_dir: Path, workers: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._run_dir = run_dir
        self._total = len(plan.steps)
        self._count = self._kept = 0
        self._forecast = TimeLeft(plan, workers)
        self._running: dict[str, tuple[Step, float]] = {}
        self._bars: dict[str, Any] = {}
        self._tty = self._stream.isatty()
        self._whole = self._bar("whole run", self._total, 0) if self._tty else None

    def say(self, text: str) -> None:
        """A line of its own, above the bars."""
        if self._tty:
            tqdm.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def kept(self, step: Step) -> None:
        """A step was done before."""
        self._forecast.done(step, None)
        self._kept += 1
        self._advance()

    def started(self, step: Step, reason: str, note: str = "") -> None:
        """A step starts."""
        if self._kept and not self._running and self._count == self._kept:
            self.say(f"{self._kept} of {self._total} steps were done before and are kept")
        self._running[step.makes] = (step, time.monotonic())
        if reason not in ("", "not made yet"):
            self.say(f"{step.makes}: made again, {reason}")
        if note:
            self.say(f"{step.makes}: {note}")
        if self._tty:
            used = {bar.pos for bar in self._bars.values()}
            place = next(n for n in range(1, 1000) if -n not in used)
            self._bars[step.makes] = self._bar(step.makes, 100, place)

    def finished(self, step: Step, result: Result) -> None:
        """A step is done."""
        self._forecast.done(step, result.seconds)
        self._close(step)
        self._advance()
        if not self._tty:
            left = self._forecast.seconds_left(self._fractions())
            eta = f", about {clock(left)} left" if left and self._count < self._total else ""
            self.say(f"[{self._count}/{self._total}] {step.makes}  {clock(result.seconds)}{eta}")

    def failed(self, step: Step, reason: str) -> None:
        """A step failed."""
        self._close(step)
        others = f" Waiting for {len(self._running)} more that run; Ctrl-C stops them." if self._running else ""
        self.say(f"{step.makes} FAILED: {reason.splitlines()[0]}.{others}")

    def stopping(self) -> None:
        """The run was asked to stop."""
        if self._running:
            self.say(f"\nstopping: waiting up to {clock(LEAVE)} for checkpoints; once more Ctrl-C leaves at once")

    def stopped(self) -> None:
        """All that ran has ended; tell how far trainings had come."""
        for name, (step, _) in self._running.items():
            if step.kind == "train" and (record := CheckpointFolder(self._run_dir / name, {}).read()):
                self.say(f"{name}: kept up to iteration {record.iteration} of {record.total}")

    def tick(self) -> None:
        """Bring the bars up to date."""
        if self._whole is None:
            return
        fractions = self._fractions()
        for name, (fraction, seconds) in fractions.items():
            bar = self._bars[name]
            bar.n = round(100 * fraction)
            rest = f"{clock(seconds / fraction - seconds)} left" if fraction > 0.02 else ""
            bar.set_postfix_str(rest)
        left = self._forecast.seconds_left(fractions)
        self._whole.set_postfix_str("" if left is None else f"about {clock(left)} left")

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._kept == self._total:
            self.say(f"all {self._total} steps were done before and are kept")
        for bar in [*self._bars.values(), self._whole]:
            if bar is not None:
                bar.close()
        self._bars.clear()

    def _advance(self) -> None:
        self._count += 1
        if self._whole is not None:
            self._whole.update(1)

    def _close(self, step: Step) -> None:
        self._running.pop(step.makes, None)
        bar = self._bars.pop(step.makes, None)
        if bar is not None:
            bar.leave = False
            bar.close()

    def _fractions(self) -> dict[str, tuple[float, float]]:
        now = time.monotonic()
        return {name: (fraction_done(self._run_dir / name), now - began) for name, (_, began) in self._running.items()}

    def _bar(self, name: str, total: int, position: int) -> Any:
        style = "{desc:<40.40} {percentage:3.0f}% |{bar:24}| {postfix}"
        return tqdm(total=total, desc=name, position=position, file=self._stream, bar_format=style, leave=position == 0)


def checking(stream: TextIO | None = None) -> Callable[[int, int], None]:
    """A progress callback for the checks of a cohort: a bar on a terminal, silence elsewhere."""
    out = stream or sys.stderr
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if not out.isatty():
            return
        bar = bar or tqdm(total=total, desc="checking files", file=out, leave=False)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return progress
