"""Surface distances of a run as a table, with the cases that have none counted beside each mean."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import fmean, stdev

from atso_monai.engine.plan import Outcome, Plan
from atso_monai.engine.tables import MOST_LABELS, Row, align, main_label, outcome_values
from atso_monai.metrics.sheet import DISTANCES

TITLES = {"hd95": "HD95", "assd": "ASSD"}


def distance_table(plan: Plan, rows: Sequence[Row]) -> str:
    """One line per strategy and label: HD95 and ASSD on the test set and of the pseudo labels; empty without any.

    Of many labels, the main one alone. A mean is over the cases that have a distance; ``none`` says how many of all
    have none, since prediction or truth is empty.
    """
    known = [row for row in rows if row["metric"] in DISTANCES]
    if not known:
        return ""
    labels = list(dict.fromkeys(row["label"] for row in known))
    shown = labels if len(labels) <= MOST_LABELS else [main_label(known)]
    titles = [TITLES[metric] for metric in DISTANCES]
    head = ["strategy", "label"] + [
        cell for name in ("test", "pseudo-label") for cell in (*(f"{name} {title}" for title in titles), "none")
    ]
    lines = [line for outcome in plan.outcomes for label in shown if (line := _line(known, outcome, label))]
    return (
        f"{' and '.join(titles)} in mm: mean ± standard deviation over cases with a surface on both sides; none: cases "
        "without, in no mean here\n" + align([head, *lines])
    )


def _line(rows: Sequence[Row], outcome: Outcome, label: str) -> list[str]:
    """The cells of one line; none where a strategy has no values of the label."""
    by_metric = [outcome_values(rows, outcome, label, metric) for metric in DISTANCES]
    cells = [outcome.strategy, label]
    for values in zip(*by_metric, strict=True):  # of the test set, of the pseudo labels
        cells += [*(spread_mm(found) for found in values), without(values[0])]
    return cells if any(any(pair) for pair in by_metric) else []


def spread_mm(values: Sequence[float]) -> str:
    """Mean and, of several values, standard deviation in mm over those that are distances; a dash for none."""
    known = [value for value in values if isfinite(value)]
    if not known:
        return "-"
    return f"{fmean(known):.2f}" + (f" ± {stdev(known):.2f}" if len(known) > 1 else "")


def without(values: Sequence[float]) -> str:
    """How many of some distances are none, such as ``1 of 8``; a dash where nothing was measured."""
    return f"{sum(not isfinite(value) for value in values)} of {len(values)}" if values else "-"
