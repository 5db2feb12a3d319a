"""How far a run is, read from its folder without touching it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from atso_monai.engine.board import Posted, read_board
from atso_monai.engine.heartbeat import Life, living
from atso_monai.engine.plan import Plan, pending
from atso_monai.engine.record import read_result
from atso_monai.engine.reporter import clock
from atso_monai.engine.run_folder import RUN
from atso_monai.engine.scheme import Scheme
from atso_monai.engine.standing import Standing, run_left, seconds_left, standings
from atso_monai.engine.strategies import build_plan
from atso_monai.engine.tables import align
from atso_monai.engine.worker import LOG
from atso_monai.errors import RunFolderError
from atso_monai.files import read_json

WIDTH = 100
"""Characters of a note in the table; failures are told in full below it."""


def recorded_plan(run_dir: Path) -> Plan:
    """The plan of the run in a folder.

    Raises:
        RunFolderError: when the folder holds no run.
    """
    try:
        scheme = read_json(run_dir / RUN)["plan"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunFolderError(f"{run_dir} holds no run (no readable {RUN}). Give the output folder of a run.") from None
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in scheme.items()}
    return build_plan(Scheme(**values))


def recorded_steps(run_dir: Path, plan: Plan) -> set[str]:
    """The artefacts of a plan that have a record in a run folder."""
    return {step.makes for step in plan.steps if read_result(run_dir / step.makes) is not None}


def plan_table(plan: Plan, run_dir: Path) -> str:
    """Each step with what it needs and why it is still to do."""
    done = recorded_steps(run_dir, plan)
    reasons = pending(plan.steps, done)
    lines = [["step", "kind", "epochs", "still to do"]]
    lines += [[s.makes, s.kind, str(s.epochs or ""), reasons.get(s, "done")] for s in plan.steps]
    counts = Counter(step.kind for step in reasons)
    todo = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
    return f"{align(lines)}\n{len(plan.steps)} steps, still to do: {todo}"


def status_table(plan: Plan, run_dir: Path) -> str:
    """Each step as done, running, stopped, failed or pending; then the run as a whole, and who works on it."""
    life, posted = living(run_dir), read_board(run_dir)
    found = standings(plan, run_dir, life, posted)
    rows = [["step", "state", "time", "done", "what remains, or why it waits"]]
    lines = _columns([*rows, *([one.step.makes, *_cells(one, posted)] for one in found)])
    failed = [one for one in found if one.state == "failed"]
    lines += [f"\n{one.step.makes} failed: {one.note}\n  its log: {run_dir / one.step.makes / LOG}" for one in failed]
    left = run_left(plan, found, posted)
    return "\n".join([*lines, "", _summary(found, left, posted.workers), _who(found, life)])


def _cells(one: Standing, posted: Posted) -> list[str]:
    time_ = clock(one.seconds) if one.state in ("done", "running") else ""
    share = f"{100 * one.fraction:.0f}%" if one.state in ("running", "stopped") else ""
    note = one.note if len(one.note) <= WIDTH else one.note[: WIDTH - 3] + "..."
    if one.state == "running" and (left := seconds_left(one, posted)) is not None:
        note = f"about {clock(left)} left"
    return [one.state, time_, share, note]


def _summary(found: Sequence[Standing], left: float | None, workers: int) -> str:
    counts = Counter(one.state for one in found)
    others = "".join(f", {counts[state]} {state}" for state in ("running", "stopped", "failed") if counts[state])
    text = f"{counts['done']} of {len(found)} steps done{others}"
    if left and counts["done"] < len(found):
        text += f"; about {clock(left)} left with {workers} at a time"
    return text


def _who(found: Sequence[Standing], life: Life | None) -> str:
    if life is not None:
        since = datetime.fromtimestamp(life.since).strftime("%Y-%m-%d %H:%M")
        return (
            f"an engine works here: process {life.pid} on {life.host}, since {since}, last sign {clock(life.age)} ago"
        )
    if all(one.state == "done" for one in found):
        return "nobody works on it"
    return "nobody works on it; run the same command again to continue"


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, all columns to the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
