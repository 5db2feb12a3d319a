"""The charts of the report, from the scores of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean

from markupsafe import Markup

from atso_monai.review.charts import Series, Strip, line_chart, scatter_chart, strip_chart
from atso_monai.review.charts.marks import legend
from atso_monai.review.compare import rank_correlation
from atso_monai.review.outcomes import (
    REFERENCE,
    TEST,
    Scores,
    agreement_series,
    change_series,
    final_scores,
    label_series,
    newest,
    series_on_test,
)
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report.looks import COLOURS, NAMES, SHAPES

FLAT = ("supervised_matched", "oracle")
"""Strategies of one training: one value, drawn across."""


@dataclass(frozen=True)
class Figure:
    """A chart with what stands above and below it.

    Attributes:
        title: its heading.
        chart: the SVG, or empty where there is nothing to draw.
        note: caption; where there is no chart, why not.
        legend: HTML, may be empty.
    """

    title: str
    chart: Markup
    note: str
    legend: str = ""


def over_generations(runs: Sequence[ReadRun], which: str, label: str) -> Figure:
    """DSC over generations of all strategies; several runs are drawn faint, their mean strong."""
    strategies = list(dict.fromkeys(o.strategy for run in runs for o in run.plan.outcomes))
    last = max(int(run.settings.get("generations", 1)) for run in runs)
    series: list[Series] = []
    for strategy in strategies:
        found = [_curve(run, strategy, which, label, last) for run in runs if _has(run, strategy)]
        series += _strategy_series(strategy, [curve for curve in found if curve], last)
    ticks = [*((float(t), str(t)) for t in range(last + 1)), (float(last + 1), "final")]
    words = {TEST: "on the test set", REFERENCE: "of the pseudo labels"}[which]
    chart = line_chart(series, ticks, f"DSC {words} over generations", "generation", f"DSC {words}, %")
    title = {TEST: "Test set", REFERENCE: "Pseudo labels of the reference set"}[which]
    shown = [name for name in strategies if any(one.name == NAMES[name] for one in series)]
    key = legend([(NAMES[name], COLOURS[name], SHAPES[name]) for name in shown]) if chart else ""
    return Figure(title, chart, _curve_note(runs, which, label) if chart else unknown(runs[0], which), key)


def _has(run: ReadRun, strategy: str) -> bool:
    return any(outcome.strategy == strategy for outcome in run.plan.outcomes)


Curve = dict[float, tuple[float, str]]
"""Position to mean DSC in % and what was measured."""


def _curve(run: ReadRun, strategy: str, which: str, label: str, last: int) -> Curve:
    scores: Mapping[str, tuple[str, Scores]]
    if which == TEST:
        scores = series_on_test(run, strategy, label)
    else:
        scores = {g: ("pseudo labels", found) for g, found in label_series(run, strategy, label).items()}
    wanted = {"supervised": ("0",), **{name: ("final",) for name in FLAT}}.get(strategy)
    curve = {}
    for generation, (model, found) in scores.items():
        if found and (wanted is None or generation in wanted):
            at = float(last + 1 if generation == "final" else int(generation))
            curve[at] = (100 * fmean(found.values()), f"{model}, n = {len(found)}")
    return curve


def _strategy_series(strategy: str, curves: Sequence[Curve], last: int) -> list[Series]:
    if not curves:
        return []
    look = (NAMES[strategy], COLOURS[strategy], SHAPES[strategy])
    flat = strategy in (*FLAT, "supervised")
    made = [Series(*look, _points(curve, flat, last), flat, True) for curve in curves] if len(curves) > 1 else []
    places = sorted(
        set.intersection(*(set(curve) for curve in curves))
    )  # a mean over other runs at each place misleads
    mean: Curve = {}
    for at in places:
        values = [curve[at] for curve in curves]
        runs = f", mean of {len(values)} runs" if len(curves) > 1 else ""
        mean[at] = (fmean(value for value, _ in values), values[0][1] + runs)
    return [*made, Series(*look, _points(mean, flat, last), flat)]


def _points(curve: Curve, flat: bool, last: int) -> tuple[tuple[float, float, str], ...]:
    if not flat:
        return tuple((at, value, _words(at, value, what, last)) for at, (value, what) in sorted(curve.items()))
    value, what = next(iter(curve.values()))
    (own,) = curve
    return tuple((at, value, f"{value:.1f} ({what})" if at == own else "") for at in (0.0, float(last + 1)))


def _words(at: float, value: float, what: str, last: int) -> str:
    return f"{'final' if at > last else f'generation {at:.0f}'} {value:.1f} ({what})"


def _curve_note(runs: Sequence[ReadRun], which: str, label: str) -> str:
    outcome = runs[0].outcome
    n = len(final_scores(runs[0], outcome, which, label))
    cases = f"Mean over cases{f' (n = {n})' if n else ''}, label: {label}. The axis need not start at 0."
    several = " Thin lines: single runs; thick: their mean, where all have a value." if len(runs) > 1 else ""
    folds = ""
    if which == TEST and _has(runs[0], "atso"):
        folds = " ATSO between 0 and final: mean of the fold models, each of which saw only part of the reference set."
    dashed = " Dashed: one training, no generations."
    return cases + several + folds + dashed


def unknown(run: ReadRun, which: str) -> str:
    """Why there is no DSC on a set of cases."""
    cases = run.cohort.test if which == TEST else run.cohort.reference
    if not cases:
        return f"There are no {which} cases, so there is no DSC to show."
    if not run.cohort.truths().keys() & {case.id for case in cases}:
        return f"No truth is known for the {len(cases)} {which} cases, so their DSC cannot be known."
    return "The steps that score these cases are not done yet."


def distribution(run: ReadRun, which: str, label: str) -> Figure:
    """DSC of each case, by strategy."""
    strips = [
        Strip(NAMES[o.strategy], COLOURS[o.strategy], _percent(final_scores(run, o, which, label)))
        for o in run.plan.outcomes
    ]
    what = {TEST: "Test cases", REFERENCE: "Pseudo labels of the reference cases"}[which]
    chart = strip_chart(strips, f"{what}: DSC of each case", "DSC, %")
    note = f"Each dot is a case, the box holds the middle half, the line is the median. Label: {label}."
    return Figure(what, chart, note if chart else unknown(run, which))


def _percent(scores: Scores) -> tuple[tuple[float, str], ...]:
    return tuple((100 * value, case) for case, value in scores.items())


def agreement_against_dsc(run: ReadRun, label: str) -> Figure:
    """How well the agreement of the fold models tells which pseudo labels are good."""
    title = "Does agreement tell which labels are good?"
    agreement = agreement_series(run, run.outcome.strategy, label)
    if not any(agreement.values()):
        return Figure(title, Markup(""), "There are no fold models that could agree: see strategy and diagnostics.")
    generation = next(g for g in reversed(list(agreement)) if agreement[g])
    truth = label_series(run, run.outcome.strategy, label).get(generation, {})
    known = {case: value for case, value in agreement[generation].items() if case in truth}
    if not known:
        strip = Strip("agreement", COLOURS["atso"], _percent(agreement[generation]))
        chart = strip_chart([strip], "Agreement of the fold models", "Dice of the fold models with each other, %")
        return Figure("Agreement of the fold models", chart, f"{unknown(run, REFERENCE)} Agreement needs no truth.")
    points = [
        (100 * known[c], 100 * truth[c], f"{c}: agreement {100 * known[c]:.1f}, DSC {100 * truth[c]:.1f}")
        for c in known
    ]
    rho, low, high = rank_correlation([p[0] for p in points], [p[1] for p in points])
    said = f"Spearman's rank correlation {rho:.2f} (95% interval {low:.2f} to {high:.2f}), n = {len(points)}."
    if isnan(rho):
        said = f"No rank correlation: fewer than 3 cases, or all are alike (n = {len(points)})."
    chart = scatter_chart(
        points, title, "Dice of the fold models with each other, %", "DSC with the truth, %", said, COLOURS["atso"]
    )
    return Figure(
        title, chart, f"Each dot is a reference case, made by generation {generation}; label: {label}. {said}"
    )


def change(run: ReadRun, label: str) -> Figure:
    """How far pseudo labels moved from one generation to the next."""
    series = change_series(run, run.outcome.strategy, label)
    strips = [Strip(f"after generation {g}", COLOURS[run.outcome.strategy], _percent(s)) for g, s in series.items()]
    title = "How steady are the pseudo labels?"
    chart = strip_chart(strips, title, "Dice with the labels of the generation before, %")
    note = f"100 would be a label that did not move at all. Label: {label}. Needs no truth."
    return Figure(title, chart, note if chart else "The strategy has no generations, or none is done yet.")


def newest_agreement(run: ReadRun, label: str) -> Scores:
    """Agreement of each case in the last generation that has any."""
    return newest(agreement_series(run, run.outcome.strategy, label))
