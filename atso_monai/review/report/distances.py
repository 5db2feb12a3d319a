"""Surface distances in the report; runs that were scored before there were any have none."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan
from statistics import fmean

from atso_monai.engine.distance_table import spread_mm
from atso_monai.engine.plan import Outcome
from atso_monai.metrics.sheet import DISTANCES
from atso_monai.review.measures import MEASURES, measured, without_surface
from atso_monai.review.outcomes import SETS, TEST, final_scores
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report.cases import case_score_table
from atso_monai.review.report.looks import NAMES
from atso_monai.review.report.numbers import Cell, Comparisons, Table, comparisons, difference

WORDS = {TEST: "Test", "reference": "Pseudo-label"}


def distance_table(run: ReadRun) -> Table | None:
    """HD95 and ASSD of what each strategy leaves, per label, or None where none was measured."""
    if not any(row["metric"] in DISTANCES for row in run.rows):
        return None
    own, found = NAMES[run.outcome.strategy], comparisons(run, "hd95")
    rows = [
        (Cell(NAMES[outcome.strategy]), Cell(label), *_cells(run, outcome, label, found))
        for outcome in run.plan.outcomes
        for label in run.main_label_first
    ]
    head = ["Strategy", "Label"]
    for which in SETS:
        n = max(len(final_scores(run, o, which, run.main_label, "hd95")) for o in run.plan.outcomes)
        head += [f"{WORDS[which]} HD95, mm (n = {n})", f"{own} minus this, HD95, mm", f"{WORDS[which]} ASSD, mm"]
    caption = (
        "Distances of surfaces, smaller is better (HD95: 95th percentile Hausdorff distance, ASSD: average symmetric "
        "surface distance): mean ± standard deviation over cases; “without”: cases in which prediction or truth is "
        "empty, which have no distance and are in no mean here"
    )
    return Table(caption, tuple(head), tuple(rows), sortable=True)


def _cells(run: ReadRun, outcome: Outcome, label: str, found: Comparisons) -> list[Cell]:
    cells = []
    for which in SETS:
        hd95, assd = (list(final_scores(run, outcome, which, label, metric).values()) for metric in DISTANCES)
        apart = difference(found.get((which, label)), outcome.strategy, len(hd95))
        cells += [_spread(hd95), apart, _spread(assd)]
    return cells


def _spread(values: Sequence[float]) -> Cell:
    """Mean and standard deviation over the cases that have a distance, and below how many have none."""
    known = [value for value in values if isfinite(value)]
    words = spread_mm(values).replace("-", "–")
    return Cell(words, fmean(known) if known else 1e9, "num", without_surface(values))


def in_words(run: ReadRun, which: str, label: str) -> str:
    """Means of what the run's own strategy leaves, such as ``HD95 4.2 mm, ASSD 1.1 mm``; empty where not measured."""
    found = {metric: final_scores(run, run.outcome, which, label, metric) for metric in DISTANCES}
    known = {metric: measured(scores).values() for metric, scores in found.items()}
    words = [f"{MEASURES[metric].title} {fmean(values):.2f} mm" for metric, values in known.items() if values]
    missing = without_surface(list(found["hd95"].values()))
    return (", ".join(words) or "no HD95" * bool(missing)) + (f" ({missing})" if missing else "")


def case_distance_tables(run: ReadRun) -> list[Table]:
    """HD95, and ASSD, of every test case by each strategy; nothing where none was measured."""
    tables = [case_score_table(run, metric, f"{MEASURES[metric].title} in mm", millimetres) for metric in DISTANCES]
    return [table for table in tables if table is not None]


def millimetres(value: float | None) -> Cell:
    """A distance; in words where one side or both are empty; a dash where it was not measured."""
    if value is None:
        return Cell("–", 1e9, "num")
    if isfinite(value):
        return Cell(f"{value:.2f}", value, "num")
    return Cell("both empty" if isnan(value) else "one empty", 1e8, "num")
