"""The numbers of a run as tables: ``metrics.csv``, and what is shown of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from atso_monai.engine.plan import Outcome, Plan
from atso_monai.engine.record import NOT_MADE, why_not_done
from atso_monai.errors import RunFolderError
from atso_monai.files import atomic_path
from atso_monai.metrics.sheet import DISTANCES, GLOBAL

Row = dict[str, str]
TITLES = {"dsc": "DSC", "iou": "IoU"}
MOST_LABELS = 6
"""Of more labels, the test set and the pseudo labels get a table each."""
COLUMNS = ("strategy", "generation", "model", "set", "fold", "case", "label", "metric", "value")


def collect(run_dir: Path, plan: Plan) -> list[Row]:
    """All rows of the score steps of a plan that are done, in plan order.

    Generation 0 is the same for all strategies; its rows carry the name of the first that asked for it.

    Raises:
        RunFolderError: when scores are not as they were written.
    """
    rows: list[Row] = []
    for step in plan.steps:
        file = run_dir / step.makes / "scores.csv"
        if step.kind == "score" and file.is_file():
            if (reason := why_not_done(file.parent)) and reason != NOT_MADE:
                raise RunFolderError(
                    f"{file.parent} cannot be trusted: {reason}. Run the same command again: it makes them anew."
                )
            with file.open(newline="", encoding="utf-8") as lines:
                rows += [{name: row.get(name, "") for name in COLUMNS} for row in csv.DictReader(lines)]
    return rows


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write ``metrics.csv``: one row per strategy, generation, model, case, label and metric."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def select(rows: Iterable[Row], fold: str = "", **wanted: str) -> list[float]:
    """Values of the rows whose columns are as asked for.

    Where whole sets were measured together (rows without ``case``, see :class:`atso_monai.metrics.IouSheet`), theirs
    are taken, of one fold or of all; else those of each case.
    """
    found = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    pooled = [row for row in found if not row["case"] and row["fold"] == fold]
    return [float(row["value"]) for row in pooled or found if pooled or fold in ("", row["fold"])]


def truth_metric(rows: Iterable[Row]) -> str:
    """The metric against the truth, such as ``dsc`` or ``iou``; empty where no truth is known."""
    others = ("agreement", "change", GLOBAL, *DISTANCES)
    return next((row["metric"] for row in rows if row["metric"] not in others), "")


def main_label(rows: Iterable[Row]) -> str:
    """The label that tables are about: where there are several classes, the whole foreground or their mean."""
    labels = list(dict.fromkeys(row["label"] for row in rows))
    return next((label for label in ("foreground", "mean") if label in labels), labels[0] if labels else "")


def outcome_table(plan: Plan, rows: Sequence[Row]) -> str:
    """One line per strategy: epochs spent, metric on the test set, and of the final pseudo labels."""
    label, name = main_label(rows), TITLES.get(truth_metric(rows), truth_metric(rows))
    whole = any(row["metric"] == GLOBAL for row in rows)
    lines = [["strategy", "epochs", f"test {name}", f"pseudo-label {name}", *(["global test DSC"] if whole else [])]]
    for outcome in plan.outcomes:
        cells = [spread(values) for values in outcome_values(rows, outcome, label)]
        cells += [spread(outcome_values(rows, outcome, label, GLOBAL)[0])] if whole else []
        lines.append([outcome.strategy, str(epochs_of(plan, outcome.strategy)), *cells])
    pooled = any(not row["case"] and row["metric"] == truth_metric(rows) for row in rows)
    how = "over all pixels of a set" if pooled else "mean ± standard deviation over cases"
    how += "; global: all test cases as one volume" if whole else ""
    return f"{name} in %, {label}: {how}\n" + align(lines)


def label_table(plan: Plan, rows: Sequence[Row]) -> str:
    """One line per strategy, each label on its own, as the paper's tables 3 and 7: test set / pseudo labels.

    Strategies with the reduced classes get a table of their own; of many labels, each of the two sets gets one.
    """
    parts = []
    for reduced in (False, True):
        outcomes = [outcome for outcome in plan.outcomes if outcome.reduced == reduced]
        values = {o.strategy: _by_label(rows, o) for o in outcomes}
        labels = list(dict.fromkeys(label for found in values.values() for label in found))
        if len(labels) <= MOST_LABELS:
            parts += [_label_lines(values, labels, " / ".join, "test set / pseudo labels")] if labels else []
        else:
            parts += [_label_lines(values, labels, lambda pair: pair[0], "test set")]
            parts += [_label_lines(values, labels, lambda pair: pair[1], "pseudo labels")]
    name = TITLES.get(truth_metric(rows), truth_metric(rows))
    return "\n\n".join(f"{'mean ' * (name == 'DSC')}{name} in % of each label, {part}" for part in parts)


def _by_label(rows: Sequence[Row], outcome: Outcome) -> dict[str, list[str]]:
    """For each label that a strategy was measured on: its mean on the test set and of its pseudo labels."""
    own = [r for r in rows if r["generation"] == outcome.generation and r["strategy"] == outcome.strategy] or rows
    labels = [label for label in dict.fromkeys(row["label"] for row in own) if label != "foreground"]
    found = {label: outcome_values(rows, outcome, label) for label in labels}
    return {label: [mean(values) for values in pair] for label, pair in found.items() if any(pair)}


def _label_lines(
    values: Mapping[str, Mapping[str, list[str]]], labels: Sequence[str], show: Callable[[list[str]], str], what: str
) -> str:
    lines = [[name, *(show(found.get(label, ["-", "-"])) for label in labels)] for name, found in values.items()]
    return f"{what}\n{align([['strategy', *labels], *lines])}"


def outcome_values(
    rows: Sequence[Row], outcome: Outcome, label: str, metric: str | None = None
) -> tuple[list[float], list[float]]:
    """Metric of one label (None: that against the truth): of the final model on the test set, of the pseudo labels."""
    own = "" if outcome.generation == outcome.first else outcome.strategy
    at = {"generation": outcome.generation, "metric": metric or truth_metric(rows), "label": label}
    test = [r for r in rows if r["set"] == "test" and r["model"] in ("all", "final") and own in ("", r["strategy"])]
    reference = [r for r in rows if r["model"] == "labels" and own in ("", r["strategy"])]
    return select(test, **at), select(reference, **at)


def epochs_of(plan: Plan, strategy: str) -> int:
    """Epochs per view that a strategy spent, generation 0 included where it builds on it."""
    view = next(step.view for step in plan.steps if step.kind == "train")
    outcome = next(o for o in plan.outcomes if o.strategy == strategy)
    needed, queue = set[str](), list(outcome.models + outcome.labels)
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += plan.step(name).needs
    return sum(step.epochs for step in plan.steps if step.makes in needed and step.view == view)


def generation_table(rows: Sequence[Row], strategy: str, first: str = "0") -> str:
    """The layout of the paper's table 4: each fold model on each reference fold, the updated labels, the test set.

    Args:
        rows: of the run.
        strategy: its name.
        first: generation of the M_0 that it builds on; empty for none.
    """
    label = main_label(rows)
    how = TITLES["iou"] if truth_metric(rows) == "iou" else "mean Dice"
    return (
        f"{strategy}, {label}, {how} in %. M(fk) trained on the other folds: M(fk)@fk is what it has not seen\n"
        + align(generation_cells(rows, strategy, label, first))
    )


def generation_cells(rows: Sequence[Row], strategy: str, label: str, first: str = "0") -> list[list[str]]:
    """The cells of :func:`generation_table` for one label, its head first."""
    metric = truth_metric(rows)
    own = [r for r in rows if r["label"] == label and (r["strategy"] == strategy or r["generation"] == first)]
    folds = sorted({r["fold"] for r in own if r["fold"]})
    models = sorted({r["model"] for r in own if r["set"] == "reference" and r["metric"] == metric} - {"labels"})
    head = ["gen."] + [f"M({m})@{f}" for f in folds for m in models] + ["labels@R", "agree", "change"]
    head += [f"M({m})@E" for m in sorted({r["model"] for r in own if r["set"] == "test"})]
    lines = [head]
    for generation in dict.fromkeys(r["generation"] for r in own):
        now = [r for r in own if r["generation"] == generation]
        cells = [mean(select(now, model=m, fold=f, metric=metric)) for f in folds for m in models]
        cells += [mean(select(now, model="labels", metric=metric)), mean(select(now, metric="agreement"))]
        cells += [mean(select(now, metric="change"))]
        cells += [
            mean(select(now, model=name[2:-3], set="test", metric=metric)) for name in head if name.endswith("@E")
        ]
        lines.append([generation, *cells])
    return lines


def mean(values: Sequence[float]) -> str:
    """Mean in per cent, or a dash where nothing is known."""
    return f"{100 * fmean(values):.1f}" if values else "-"


def spread(values: Sequence[float]) -> str:
    """Mean and, of several values, standard deviation in per cent, or a dash."""
    if not values:
        return "-"
    return mean(values) + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


def align(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )
