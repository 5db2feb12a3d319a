"""Scores by case, out of the rows of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from atso_monai.engine.plan import Outcome
from atso_monai.engine.tables import Row
from atso_monai.review.read_run import ReadRun

Scores = dict[str, float]
"""Dice in [0, 1], or a distance in mm, by case id."""

TEST, REFERENCE = "test", "reference"
SETS = (TEST, REFERENCE)


def by_case(rows: Iterable[Row], **wanted: str) -> Scores:
    """Value of each case over the rows whose columns are as asked for; the mean where a case has several."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            found[row["case"]].append(float(row["value"]))
    return {case: fmean(values) for case, values in found.items()}


def own_rows(run: ReadRun, strategy: str) -> list[Row]:
    """The rows of a strategy; those of generation 0 belong to all."""
    return [row for row in run.rows if row["strategy"] == strategy or row["generation"] == "0"]


def final_scores(run: ReadRun, outcome: Outcome, which: str, label: str, metric: str = "dsc") -> Scores:
    """What a strategy leaves, against the truth.

    Args:
        run: the run.
        outcome: the strategy's outcome.
        which: ``test`` for the last model on the test cases, ``reference`` for the last pseudo labels.
        label: a class, or ``foreground``.
        metric: ``dsc``, or ``hd95`` or ``assd`` in mm, which are infinite or NaN where there is no surface. Runs that
            were scored before there were distances have none.
    """
    rows = own_rows(run, outcome.strategy)
    at = {"generation": outcome.generation, "label": label, "metric": metric}
    if which == REFERENCE:
        return by_case(rows, model="labels", **at)
    return by_case(rows, set="test", model="all", **at) | by_case(rows, set="test", model="final", **at)


def label_series(run: ReadRun, strategy: str, label: str) -> dict[str, Scores]:
    """DSC of the pseudo labels that each generation's models made, by generation."""
    rows = [row for row in own_rows(run, strategy) if row["model"] == "labels" and row["label"] == label]
    return {g: by_case(rows, generation=g, metric="dsc") for g in generations(rows)}


def change_series(run: ReadRun, strategy: str, label: str) -> dict[str, Scores]:
    """Dice of the pseudo labels with those of the generation before, by generation; needs no truth."""
    rows = [row for row in own_rows(run, strategy) if row["metric"] == "change" and row["label"] == label]
    return {g: by_case(rows, generation=g) for g in generations(rows)}


def agreement_series(run: ReadRun, strategy: str, label: str) -> dict[str, Scores]:
    """Dice between the fold model that did not see a case and those that did, by generation; needs no truth."""
    rows = [row for row in own_rows(run, strategy) if row["metric"] == "agreement" and row["label"] == label]
    return {g: by_case(rows, generation=g) for g in generations(rows)}


def series_on_test(run: ReadRun, strategy: str, label: str) -> dict[str, tuple[str, Scores]]:
    """By generation, which model was tested and its DSC: one model where there is one, else the fold models' mean."""
    rows = [r for r in own_rows(run, strategy) if r["set"] == "test" and r["label"] == label and r["metric"] == "dsc"]
    found = {}
    for generation in generations(rows):
        now = [row for row in rows if row["generation"] == generation]
        whole = next((m for m in ("final", "all", "full") if any(row["model"] == m for row in now)), "")
        chosen = [row for row in now if row["model"] == whole] if whole else now
        found[generation] = (whole or "mean of the fold models", by_case(chosen))
    return found


def generations(rows: Iterable[Row]) -> list[str]:
    """Generations in the order of the run, ``final`` last."""
    found = dict.fromkeys(row["generation"] for row in rows)
    return sorted(found, key=lambda g: (g == "final", int(g) if g.isdigit() else 0))


def newest(series: dict[str, Scores]) -> Scores:
    """The scores of the last generation that has any; empty where none has."""
    return next((scores for scores in reversed(list(series.values())) if scores), {})


def mean_over_classes(run: ReadRun, per_label: dict[str, Scores]) -> Scores:
    """Mean over classes of each case's values, the whole foreground left out."""
    cases = dict.fromkeys(case for name in run.classes.values() for case in per_label.get(name, {}))
    return {
        case: fmean([per_label[n][case] for n in run.classes.values() if case in per_label.get(n, {})])
        for case in cases
    }
