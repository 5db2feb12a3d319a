"""The few numbers at the top of the report; with several classes the mean of each stands below the large one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from atso_monai.metrics.sheet import FOREGROUND
from atso_monai.review.outcomes import REFERENCE, TEST, Scores, final_scores
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report import distances, facts, figures
from atso_monai.review.report.looks import spread


@dataclass(frozen=True)
class Tile:
    """A number with its name.

    Attributes:
        name: what it is.
        value: the number, of the main label.
        detail: what it is a mean of, or why it is not known.
        classes: (class, mean in %) where there are several classes.
    """

    name: str
    value: str
    detail: str
    classes: tuple[tuple[str, str], ...] = ()


def tiles(run: ReadRun) -> list[Tile]:
    """DSC on the test set and of the pseudo labels, agreement of the fold models, computing time."""
    found = []
    for which, name in ((TEST, "Test DSC"), (REFERENCE, "Pseudo-label DSC")):
        scores = {label: final_scores(run, run.outcome, which, label) for label in run.score_labels}
        known = list(scores[run.main_label].values())
        detail = f"% mean ± SD, n = {len(known)}, {_of(run)}" if known else figures.unknown(run, which)
        detail += f"; {words}" if (words := distances.in_words(run, which, run.main_label)) else ""
        found.append(Tile(name, spread(known) if known else "not known", detail, _classes(run, scores.__getitem__)))
    agreement = list(figures.newest_agreement(run, run.main_label).values())
    if agreement:
        detail = f"% mean Dice, n = {len(agreement)}, {_of(run)}; needs no truth"
        classes = _classes(run, lambda label: figures.newest_agreement(run, label))
        found.append(Tile("Fold models agree", f"{100 * fmean(agreement):.1f}", detail, classes))
    steps = f"{len(run.results)} of {len(run.plan.steps)} steps done"
    return [*found, Tile("Computing time", facts.hours(run), steps)]


def _of(run: ReadRun) -> str:
    return "whole foreground, all classes as one" if run.main_label == FOREGROUND else run.main_label


def _classes(run: ReadRun, scores: Callable[[str], Scores]) -> tuple[tuple[str, str], ...]:
    """Mean of each class, where there are several and any is known."""
    if len(run.classes) < 2:
        return ()
    known = [(name, list(scores(name).values())) for name in run.classes.values()]
    return tuple((name, f"{100 * fmean(values):.1f}") for name, values in known if values)
