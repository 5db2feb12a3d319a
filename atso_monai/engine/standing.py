"""Where each step of a run stands, read from the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from atso_monai.checkpoint import CheckpointFolder
from atso_monai.engine.board import Posted, kept_fraction
from atso_monai.engine.heartbeat import Life
from atso_monai.engine.orders import SHARDS
from atso_monai.engine.plan import Plan, Step, pending
from atso_monai.engine.record import Result, read_result
from atso_monai.engine.reporter import TimeLeft
from atso_monai.engine.schedule import makespan
from atso_monai.engine.shards import fraction_done
from atso_monai.engine.worker import LOG
from atso_monai.stopping import STOPPED

TOLD = 0.02
"""Fraction of a step after which its own pace tells how long the rest takes."""


@dataclass(frozen=True)
class Standing:
    """Where a step stands.

    Attributes:
        step: the step.
        state: ``done``, ``running``, ``stopped``, ``failed`` or ``pending``.
        seconds: what it took, or has taken so far; 0 where that is not known.
        fraction: how much of it is done.
        note: why it waits, why it failed, or from where it goes on.
    """

    step: Step
    state: str
    seconds: float = 0.0
    fraction: float = 0.0
    note: str = ""


def standings(plan: Plan, run_dir: Path, life: Life | None, posted: Posted) -> list[Standing]:
    """Each step of a plan, in its order.

    Args:
        plan: the plan.
        run_dir: the run folder.
        life: the engine that works in it, if one does.
        posted: what it posted.
    """
    results = {step.makes: read_result(run_dir / step.makes) for step in plan.steps}
    reasons = pending(plan.steps, {name for name, result in results.items() if result is not None})
    return [_standing(s, results[s.makes], reasons.get(s), run_dir / s.makes, life, posted) for s in plan.steps]


def _standing(
    step: Step, result: Result | None, reason: str | None, folder: Path, life: Life | None, posted: Posted
) -> Standing:
    if reason is None and result is not None:
        return Standing(step, "done", result.seconds, 1.0)
    if life is not None and step.makes in posted.running:
        since = posted.running[step.makes][0]
        return Standing(step, "running", max(0.0, life.at + life.age - since), fraction_done(folder))
    if failure := posted.failed.get(step.makes) or _failure(folder):
        return Standing(step, "failed", note=failure)
    if result is None and _logs(folder):
        return Standing(step, "stopped", fraction=kept_fraction(folder), note=_goes_on(folder))
    return Standing(step, "pending", note="can start" if reason == "not made yet" else reason or "")


def _logs(folder: Path) -> list[Path]:
    """The log of a step, or those of its shards."""
    return [log for log in (folder / LOG, *sorted(folder.glob(f"{SHARDS}/*/{LOG}"))) if log.is_file()]


def _failure(folder: Path) -> str:
    """The error that a log of a step ends with, in one line."""
    for log in _logs(folder):
        text = log.read_text(encoding="utf-8", errors="replace").strip()
        last = text.splitlines()[-1] if text else ""
        if "Traceback" in text and not last.startswith(STOPPED):  # ignite logs a stop with one, too
            return last
    return ""


def _goes_on(folder: Path) -> str:
    record = CheckpointFolder(folder, {}).read()
    return f"goes on at iteration {record.iteration} of {record.total}" if record else "starts anew"


def seconds_left(found: Standing, posted: Posted) -> float | None:
    """Seconds until the end of a step that runs, from its own pace since it started; None while that is not known."""
    kept = posted.running.get(found.step.makes, (0.0, 0.0))[1]
    made = found.fraction - kept
    return found.seconds * (1 - found.fraction) / made if made > TOLD and found.seconds else None


def run_left(plan: Plan, found: list[Standing], posted: Posted) -> float | None:
    """Seconds until the end of the run, from the steps that are done or run; None while no training has told its pace.

    A kind of step that none has been done of yet counts nothing.
    """
    left = {one.step.makes: seconds_left(one, posted) for one in found if one.state == "running"}
    pace = _pace(found, left)
    if any(one.state != "done" and one.step.kind == "train" for one in found) and "train" not in pace:
        return None
    seconds = {one.step.makes: 0.0 if one.state == "done" else _rest(one, pace, left) for one in found}
    return makespan(plan, lambda step: seconds[step.makes], max(1, posted.workers))


def _rest(one: Standing, pace: Mapping[str, float], left: Mapping[str, float | None]) -> float:
    own = left.get(one.step.makes)
    return pace.get(one.step.kind, 0.0) * TimeLeft.work(one.step) * (1 - one.fraction) if own is None else own


def _pace(found: list[Standing], left: Mapping[str, float | None]) -> dict[str, float]:
    """Seconds of a unit of work by kind of step: of steps that are done, or else of those that run."""
    paces: dict[str, float] = {}
    for kind in {one.step.kind for one in found}:
        own = [one for one in found if one.step.kind == kind]
        done = [one.seconds / TimeLeft.work(one.step) for one in own if one.state == "done"]
        told = [(one, rest) for one in own if (rest := left.get(one.step.makes)) is not None and one.fraction < 1]
        running = [rest / (1 - one.fraction) / TimeLeft.work(one.step) for one, rest in told]
        if done or running:
            paces[kind] = median(done or running)
    return paces
