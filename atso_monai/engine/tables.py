"""The numbers of a run as tables: ``metrics.csv`` and what is printed at the end."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev

from atso_monai.engine.plan import Outcome, Plan
from atso_monai.files import atomic_path

Row = dict[str, str]
COLUMNS = ("strategy", "generation", "model", "set", "fold", "case", "label", "metric", "value")


def collect(run_dir: Path, plan: Plan) -> list[Row]:
    """All rows of the score steps of a plan that are done, in plan order.

    Generation 0 is the same for all strategies; its rows carry the name of the first that asked for it.
    """
    rows: list[Row] = []
    for step in plan.steps:
        file = run_dir / step.makes / "scores.csv"
        if step.kind == "score" and file.is_file():
            with file.open(newline="", encoding="utf-8") as lines:
                rows += [{name: row.get(name, "") for name in COLUMNS} for row in csv.DictReader(lines)]
    return rows


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write ``metrics.csv``: one row per strategy, generation, model, case, label and metric."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def select(rows: Iterable[Row], **wanted: str) -> list[float]:
    """Values of the rows whose columns are as asked for."""
    return [float(row["value"]) for row in rows if all(row[k] == v for k, v in wanted.items())]


def main_label(rows: Iterable[Row]) -> str:
    """The label that tables are about: the whole foreground where there are several classes."""
    labels = list(dict.fromkeys(row["label"] for row in rows))
    return "foreground" if "foreground" in labels else labels[0] if labels else ""


def outcome_table(plan: Plan, rows: Sequence[Row]) -> str:
    """One line per strategy: epochs spent, DSC on the test set, DSC of the final pseudo labels of the reference set."""
    label = main_label(rows)
    lines = [["strategy", "epochs", "test DSC", "pseudo-label DSC"]]
    for outcome in plan.outcomes:
        cells = [spread(values) for values in _outcome_values(rows, outcome, label)]
        lines.append([outcome.strategy, str(epochs_of(plan, outcome.strategy)), *cells])
    return f"DSC in %, {label}: mean ± standard deviation over cases\n" + align(lines)


def label_table(plan: Plan, rows: Sequence[Row]) -> str:
    """One line per strategy, mean DSC of each label on its own: test set / final pseudo labels of the reference set."""
    labels = [label for label in dict.fromkeys(row["label"] for row in rows) if label != main_label(rows)]
    lines = [["strategy", *labels]]
    for outcome in plan.outcomes:
        cells = [" / ".join(mean(values) for values in _outcome_values(rows, outcome, label)) for label in labels]
        lines.append([outcome.strategy, *cells])
    return "mean DSC in % of each label, test set / pseudo labels\n" + align(lines)


def _outcome_values(rows: Sequence[Row], outcome: Outcome, label: str) -> tuple[list[float], list[float]]:
    """DSC of one label in each case: of the final model on the test set, and of the final pseudo labels."""
    own = "" if outcome.generation == "0" else outcome.strategy
    at = {"generation": outcome.generation, "metric": "dsc", "label": label}
    test = [r for r in rows if r["set"] == "test" and r["model"] in ("all", "final") and own in ("", r["strategy"])]
    reference = [r for r in rows if r["model"] == "labels" and own in ("", r["strategy"])]
    return select(test, **at), select(reference, **at)


def summary(plan: Plan, rows: Sequence[Row]) -> str:
    """All tables of a run as text; without any known truth, just that."""
    if not any(row["metric"] == "dsc" for row in rows):
        return "No truth is known for test or reference cases, so there is no DSC to show.\n" + "\n".join(
            generation_table(rows, o.strategy) for o in plan.outcomes if o.strategy == "atso" and rows
        )
    parts = [outcome_table(plan, rows)]
    if main_label(rows) == "foreground":  # there are several labels
        parts.append(label_table(plan, rows))
    names = [o.strategy for o in plan.outcomes if o.strategy in ("atso", "stso", "self_learning")]
    parts += [generation_table(rows, name) for name in names]
    return "\n\n".join(parts)


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


def generation_table(rows: Sequence[Row], strategy: str) -> str:
    """The layout of the paper's table 4: each fold model on each reference fold, the updated labels, the test set."""
    label = main_label(rows)
    return (
        f"{strategy}, {label}, mean Dice in %. M(fk) trained on the other folds: M(fk)@fk is what it has not seen\n"
        + align(generation_cells(rows, strategy, label))
    )


def generation_cells(rows: Sequence[Row], strategy: str, label: str) -> list[list[str]]:
    """The cells of :func:`generation_table` for one label, its head first."""
    own = [r for r in rows if r["label"] == label and (r["strategy"] == strategy or r["generation"] == "0")]
    folds = sorted({r["fold"] for r in own if r["fold"]})
    models = sorted({r["model"] for r in own if r["set"] == "reference" and r["metric"] == "dsc"} - {"labels"})
    head = ["gen."] + [f"M({m})@{f}" for f in folds for m in models] + ["labels@R", "agree", "change"]
    head += [f"M({m})@E" for m in sorted({r["model"] for r in own if r["set"] == "test"})]
    lines = [head]
    for generation in dict.fromkeys(r["generation"] for r in own):
        now = [r for r in own if r["generation"] == generation]
        cells = [mean(select(now, model=m, fold=f, metric="dsc")) for f in folds for m in models]
        cells += [mean(select(now, model="labels", metric="dsc")), mean(select(now, metric="agreement"))]
        cells += [mean(select(now, metric="change"))]
        cells += [mean(select(now, model=name[2:-3], set="test", metric="dsc")) for name in head if name.endswith("@E")]
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
