"""What was run, in words and hours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import yaml

from atso_monai.engine.reporter import clock
from atso_monai.review.audit import provenance_of
from atso_monai.review.queue import Suspect
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report.looks import NAMES
from atso_monai.review.report.numbers import Cell, Table

KINDS = {"train": "training", "predict": "prediction", "score": "scoring"}


def state(run: ReadRun) -> str:
    """Whether the run is finished, in one sentence; empty where it is."""
    if run.finished:
        return ""
    return (
        f"This run is not finished: {len(run.results)} of {len(run.plan.steps)} steps are done. All numbers come from "
        "those steps and may change."
    )


def empty_labels(queue: Sequence[Suspect]) -> str:
    """A warning where pseudo labels lack a class that most labelled cases have; empty models agree perfectly."""
    count = sum(suspect.points.get("empty", 0) > 50 for suspect in queue)
    if not count:
        return ""
    return (
        f"{count} of {len(queue)} pseudo labels lack a structure that most labelled cases have. Dice counts two empty "
        "labels as equal, so agreement and change look better than they are."
    )


def facts(run: ReadRun) -> list[tuple[str, str]]:
    """What a reader must know to repeat the run: (name, value)."""
    cohort, s = run.cohort, run.settings
    folds = ", ".join(str(len(fold)) for fold in cohort.folds)
    names = ", ".join(f"{index} {name}" for index, name in cohort.labels.items())
    strategies = ", ".join(NAMES[o.strategy] for o in run.plan.outcomes)
    found = [
        ("Cohort", cohort.name),
        ("Split fingerprint", cohort.fingerprint),
        (
            "Cases",
            f"{len(cohort.labelled)} labelled, {len(cohort.reference)} reference (folds of {folds or '–'}), "
            f"{len(cohort.test)} test",
        ),
        ("Truth known for", _truth(run)),
        ("Labels", names),
        (
            "Strategy",
            f"{NAMES[run.outcome.strategy]}, start: {s.get('start', '–')}, final labels: {s.get('final_labels', '–')}",
        ),
        ("Compared", strategies),
        ("Generations, views", f"{s.get('generations', '–')}; {', '.join(s.get('views', ()))}"),
        ("Epochs", f"{s.get('first_epochs', '–')} for the first model, {s.get('later_epochs', '–')} for each other"),
        ("Bundle", _bundle(s)),
        ("Seed, threads", f"{s.get('seed', '–')}; {s.get('threads', '–')}"),
    ]
    return [*found, *_people(run), *_machine(run)]


def _people(run: ReadRun) -> list[tuple[str, str]]:
    """Who made the labels that came out of a review, where any did."""
    makers = Counter(
        str(provenance_of(case.label)[case.id].get("by", "?"))
        for case in run.cohort.labelled
        if case.label is not None and case.id in provenance_of(case.label)
    )
    return [("Promoted labels", ", ".join(f"{n} by {name}" for name, n in makers.items()))] if makers else []


def _truth(run: ReadRun) -> str:
    known = run.cohort.truths().keys()
    counts = [
        f"{sum(case.id in known for case in cases)} of {len(cases)} {name} cases"
        for name, cases in (("reference", run.cohort.reference), ("test", run.cohort.test))
    ]
    return ", ".join(counts)


def _bundle(settings: Any) -> str:
    words = str(settings.get("bundle", {}).get("name", "–"))
    if settings.get("overlays"):
        words += f", overlays {', '.join(settings['overlays'])}"
    if settings.get("overrides"):
        words += f", overrides {yaml.safe_dump(settings['overrides'], default_flow_style=True, width=10**6).strip()}"
    return words


def _machine(run: ReadRun) -> list[tuple[str, str]]:
    """Versions, devices and times that the records hold; several where steps differ."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    began, ended = [], []
    for result in run.results.values():
        for name, value in result.settings.items():
            found[name][str(value)] = None
        if isinstance(start := result.settings.get("began"), (int, float)):
            began.append(float(start))
            ended.append(float(start) + result.seconds)
    versions = [
        f"{name} {' / '.join(found[name])}" for name in ("atso_monai", "monai", "torch", "python") if name in found
    ]
    rows = [("Versions", ", ".join(versions))] if versions else []
    rows += [("Device", " / ".join(found["device"]))] if "device" in found else []
    rows += [("Steps ran", f"{_day(min(began))} to {_day(max(ended))} UTC")] if began else []
    return rows


def _day(stamp: float) -> str:
    return datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%d %H:%M")


def hours(run: ReadRun) -> str:
    """Computing time of all steps that are done, in words."""
    return clock(sum(result.seconds for result in run.results.values()))


def hours_table(run: ReadRun) -> Table:
    """Every step with its duration."""
    rows = []
    for step in run.plan.steps:
        result = run.results.get(step.makes)
        seconds = result.seconds if result else -1.0
        rows.append((
            Cell(step.makes), Cell(KINDS[step.kind]), Cell(step.generation),
            Cell(str(step.epochs or "–"), step.epochs, "num"),
            Cell(clock(seconds) if result else "not done", seconds, "num"),
        ))  # fmt: skip
    head = ("Step", "Kind", "Generation", "Epochs", "Time")
    return Table(f"{len(run.results)} of {len(run.plan.steps)} steps, {hours(run)} in all", head, tuple(rows), True)


def hours_by_kind(run: ReadRun) -> Table:
    """Hours by strategy and kind of step."""
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for step in run.plan.steps:
        if step.makes in run.results:
            spent[step.strategy, step.kind].append(run.results[step.makes].seconds)
    rows = [
        (Cell(NAMES[strategy]), Cell(KINDS[kind]), Cell(str(len(s)), len(s), "num"), Cell(clock(sum(s)), sum(s), "num"))
        for (strategy, kind), s in spent.items()
    ]
    caption = "Computing time; the first model counts for the strategy that is listed first"
    return Table(caption, ("Strategy", "Kind", "Steps", "Time"), tuple(rows))
