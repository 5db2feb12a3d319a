"""How far a run is, read from its folder without touching it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from atso_monai.engine.orders import SHARDS
from atso_monai.engine.plan import Plan, Step, pending
from atso_monai.engine.record import read_result
from atso_monai.engine.reporter import clock
from atso_monai.engine.run_folder import RUN
from atso_monai.engine.scheme import Scheme
from atso_monai.engine.shards import fraction_done
from atso_monai.engine.strategies import build_plan
from atso_monai.engine.tables import align
from atso_monai.engine.worker import LOG
from atso_monai.errors import RunFolderError
from atso_monai.files import read_json
from atso_monai.stopping import STOPPED


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
    """Each step as done (how long it took), begun (how far it came), failed (why) or waiting (for what)."""
    done = recorded_steps(run_dir, plan)
    reasons = pending(plan.steps, done)
    lines = [["step", "state", ""]]
    for step in plan.steps:
        lines.append([step.makes, *_state(step, reasons.get(step), run_dir / step.makes)])
    return f"{align(lines)}\n{len(done)} of {len(plan.steps)} steps done"


def _state(step: Step, reason: str | None, folder: Path) -> tuple[str, str]:
    if reason is None:
        result = read_result(folder)
        return "done", clock(result.seconds) if result else ""
    logs = [log for log in (folder / LOG, *sorted(folder.glob(f"{SHARDS}/*/{LOG}"))) if log.is_file()]
    for log in logs:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
        last = text.splitlines()[-1] if text else ""
        if "Traceback" in text and not last.startswith(STOPPED):  # ignite logs a stop with one, too
            return "failed", last[:100]
    if logs:
        share = fraction_done(folder)
        return "begun", f"{100 * share:.0f}%" if share else ""
    return "waiting", reason
