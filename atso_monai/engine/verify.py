"""A whole run against all hashes that its records hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atso_monai.bundle import embedded_bundles
from atso_monai.engine.orders import bundle_files
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.record import RESULT, Result, damage, read_result, why_not_done
from atso_monai.engine.run_folder import RUN
from atso_monai.engine.tables import align
from atso_monai.files import read_json

SETTINGS = ("atso_monai", "monai", "torch", "python", "threads", "workers")


@dataclass(frozen=True)
class Verdict:
    """What a verification found.

    Attributes:
        problems: step and what is wrong with it; a run continued with the same command makes these steps again.
        remarks: what is no damage but may be why numbers differ: mixed versions, a bundle that changed since.
        checked: number of steps whose records and files were compared.
        text: all of it for a person.
    """

    problems: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    checked: int
    text: str


def verify(plan: Plan, run_dir: Path, progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Compare every finished step of a run with its record: files, description, what it read, bundle and cohort.

    Nothing is written. Steps that are not finished are no problem.

    Args:
        plan: the plan of the run.
        run_dir: its folder.
        progress: told the steps checked and the steps in all.
    """
    problems: list[tuple[str, str]] = []
    records: dict[str, Result] = {}
    for number, step in enumerate(plan.steps, 1):
        folder = run_dir / step.makes
        if (folder / RESULT).exists():
            reason = _reason(step, folder, run_dir)
            problems += [(step.makes, reason)] if reason else []
            if (record := read_result(folder)) is not None:
                records[step.makes] = record
        if progress is not None:
            progress(number, len(plan.steps))
    fingerprint = _fingerprint(run_dir)
    problems += [(name, "made from another cohort") for name, r in records.items() if _other(r, "cohort", fingerprint)]
    remarks = (*_described(records, run_dir), *_mixed(records), *_bundle(records, run_dir))
    checked = len(records) + sum(reason.startswith(RESULT) for _, reason in problems)
    return Verdict(tuple(problems), remarks, checked, _text(problems, remarks, checked, len(plan.steps)))


def _reason(step: Step, folder: Path, run_dir: Path) -> str:
    """Why the record of a step does not hold, or an empty text."""
    if reason := why_not_done(folder):
        return reason
    record = read_result(folder)
    assert record is not None
    if record.makes != step.makes:
        return f"{RESULT} is that of {record.makes}"
    for name, digest in record.made_from.get("needs", {}).items():
        source = read_result(run_dir / name)
        if source is not None and source.digest != digest:  # one without a record is named itself
            return f"it was made from another {name} than the one that is there"
    return ""


def _fingerprint(run_dir: Path) -> Any:
    try:
        return read_json(run_dir / RUN)["settings"]["cohort"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _other(record: Result, name: str, value: Any) -> bool:
    return value is not None and record.made_from.get(name, value) != value


def _described(records: Mapping[str, Result], run_dir: Path) -> list[str]:
    """Steps whose description was edited; what they made is not touched by that."""
    found = {name: damage(run_dir / name, record.made_from.get("step", {})) for name, record in records.items()}
    return [f"{name}: {reason}; what it made still is" for name, reason in found.items() if reason]


def _mixed(records: Mapping[str, Result]) -> list[str]:
    """Settings that not all steps have in common, with the steps of each value counted."""
    remarks = []
    for name in SETTINGS:
        counts: dict[str, int] = {}
        for record in records.values():
            value = str(record.settings.get(name, "unknown"))
            counts[value] = counts.get(value, 0) + 1
        if len(counts) > 1:
            values = ", ".join(f"{value} ({count} steps)" for value, count in counts.items())
            remarks.append(f"made with different {name}: {values}")
    return remarks


def _bundle(records: Mapping[str, Result], run_dir: Path) -> list[str]:
    """Configurations that the bundle has other versions of now, where it can be found."""
    try:
        bundle = embedded_bundles()[read_json(run_dir / RUN)["settings"]["bundle"]["name"]]
    except (OSError, ValueError, KeyError, TypeError):  # one of somebody's own, wherever it may be
        return []
    now = bundle_files(bundle)
    was = {name: digest for r in records.values() for name, digest in r.made_from.get("bundle", {}).items()}
    changed = sorted(name for name in was if now.get(name) != was[name])
    return [f"the bundle changed since: {', '.join(changed)}"] if changed else []


def _text(problems: list[tuple[str, str]], remarks: tuple[str, ...], checked: int, steps: int) -> str:
    lines = [align([["step", "problem"], *map(list, problems)])] if problems else []
    lines += remarks
    found = f"{len(problems)} do not hold: the same command makes them again" if problems else "all hold"
    return "\n".join([*lines, f"{checked} of {steps} steps are finished and were checked: {found}"])
