"""Which strategies of which runs are compared, on which cases."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from atso_monai.engine.plan import Outcome
from atso_monai.engine.tables import align
from atso_monai.errors import ConfigError, one_of
from atso_monai.files import atomic_path
from atso_monai.review.common_cases import (
    NAMES,
    ComparisonError,
    older_runs,
    require_common,
    same_cases,
    without_distance,
)
from atso_monai.review.compare import FEWEST, Difference, adjusted, interval_text, p_text, paired_difference, sentence
from atso_monai.review.measures import MEASURES, measured
from atso_monai.review.outcomes import REFERENCE, SETS, final_scores
from atso_monai.review.read_run import ReadRun

CAVEAT = (
    "Intervals and tests are over cases, for the models as they were trained: another seed or split may give another "
    "answer. p is adjusted for the number of comparisons (Holm)."
)

TOO_FEW = f"Intervals and tests need {FEWEST} common cases."


@dataclass(frozen=True)
class Arm:
    """One strategy of one run, under the name that it is shown by."""

    name: str
    run: ReadRun
    outcome: Outcome


@dataclass(frozen=True)
class Comparison:
    """Differences on one set of cases, and what a reader must know of them.

    Attributes:
        which: ``test`` or ``reference``.
        label: a class, or ``foreground``.
        differences: the first arm minus each other one.
        notes: what was left out, and why.
        metric: ``dsc``, ``hd95`` or ``assd``.
    """

    which: str
    label: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    metric: str = "dsc"


def arms_of(runs: Sequence[ReadRun], strategies: Sequence[str] = ()) -> list[Arm]:
    """What is compared: all strategies of one run, or of several runs the one that each delivers.

    Args:
        runs: one or more.
        strategies: take these of every run instead, in this order.

    Raises:
        ConfigError: when a strategy is in none of the runs, or nothing is left to compare with.
    """
    known = list(dict.fromkeys(o.strategy for run in runs for o in run.plan.outcomes))
    for name in strategies:
        one_of("strategy", name, known)
    names = _names(runs)
    arms = []
    for run, prefix in zip(runs, names, strict=True):
        wanted = list(strategies) or (known if len(runs) == 1 else [run.outcome.strategy])
        for strategy in wanted:
            arms += [Arm(f"{prefix}{strategy}", run, o) for o in run.plan.outcomes if o.strategy == strategy]
    if len(arms) < 2:
        raise ConfigError(
            f"There is nothing to compare {arms[0].name if arms else 'with'}: give a second run, or one that was "
            'started with --compare "[supervised_matched, stso]".'
        )
    return arms


def _names(runs: Sequence[ReadRun]) -> list[str]:
    """A prefix that tells each run apart; none where there is one."""
    if len(runs) == 1:
        return [""]
    short = [run.name for run in runs]
    return [f"{n if short.count(n) == 1 else r.run_dir}: " for n, r in zip(short, runs, strict=True)]


def compare(arms: Sequence[Arm], which: str, label: str | None = None, metric: str = "dsc") -> Comparison:
    """The first arm minus each other one, on the cases that they share.

    Distances are compared on the cases that have one in both arms; how many of each arm have none is in the notes.

    Raises:
        ComparisonError: when two arms share no case with a known truth, an id names different scans, or no two arms
            share a case with a distance.
        ConfigError: for a label that the runs do not have, or another metric.
    """
    one_of("set", which, SETS)
    one_of("metric", metric, list(MEASURES))
    chosen = _label([arm.run for arm in arms], label)
    notes = list(dict.fromkeys(note for arm in arms[1:] for note in same_cases(arms[0].run, arm.run, which)))
    scores = {arm.name: final_scores(arm.run, arm.outcome, which, chosen, metric) for arm in arms}
    notes += without_distance(scores, metric)
    known = {name: measured(found) for name, found in scores.items()}
    left, differences = arms[0].name, []
    for arm in arms[1:]:
        require_common(scores, left, arm.name, which, metric)
        if known[left].keys() & known[arm.name].keys():
            differences.append(paired_difference(left, arm.name, known[left], known[arm.name], metric))
        else:
            notes.append(f"{left} and {arm.name} are not compared: no case has {MEASURES[metric].title} in both.")
    if not differences:
        raise ComparisonError(f"There is nothing to compare on {NAMES[which]}. {' '.join(notes)}")
    if which == REFERENCE and any(arm.outcome.strategy == "oracle" for arm in arms):
        notes.append("oracle was trained on the true labels of these reference cases.")
    return Comparison(which, chosen, tuple(adjusted(differences)), tuple(notes), metric)


def compare_all(
    arms: Sequence[Arm], sets: Sequence[str] = (), label: str | None = None, metric: str = "dsc"
) -> list[Comparison]:
    """:func:`compare` on each of ``sets``; with none given, on every one that has known truth.

    Raises:
        ComparisonError: when none of the sets can be compared.
    """
    if sets:
        return [compare(arms, which, label, metric) for which in sets]
    chosen = _label([arm.run for arm in arms], label)
    one_of("metric", metric, list(MEASURES))
    known = [w for w in SETS if all(final_scores(a.run, a.outcome, w, chosen, metric) for a in arms)]
    if not known:
        raise ComparisonError(
            f"There is no {MEASURES[metric].title} to compare: no truth is known for test or reference cases of all "
            "that is compared, or the steps that score it are not done. `atso status RUN` tells how far a run is."
            f"{older_runs(metric)}"
        )
    return [compare(arms, which, label, metric) for which in known]


def _label(runs: Sequence[ReadRun], label: str | None) -> str:
    if len({tuple(run.score_labels) for run in runs}) > 1:
        shown = "; ".join(f"{run.name}: {', '.join(run.score_labels)}" for run in runs)
        raise ComparisonError(f"The runs segment different structures ({shown}). Compare runs of one task.")
    chosen = label or runs[0].main_label
    one_of("label", chosen, runs[0].score_labels)
    return chosen


def comparison_text(found: Comparison) -> str:
    """The table and the sentences."""
    measure = MEASURES[found.metric]
    unit = measure.unit if found.metric == "dsc" else f"{measure.title} in {measure.unit} (smaller is better)"
    lines = [[f"difference, {unit}", "n", "left", "right", "mean", "95% interval", "p", "wins:losses", "verdict"]]
    for d in found.differences:
        lines.append([
            f"{d.left} - {d.right}", str(d.cases), f"{d.left_mean:.1f}", f"{d.right_mean:.1f}", f"{d.mean:+.2f}",
            interval_text(d, 2) or "-", p_text(d.p), f"{d.wins}:{d.losses}", d.verdict,
        ])  # fmt: skip
    said = "\n".join(sentence(d, NAMES[found.which]) for d in found.differences)
    tested = any(d.verdict != "too few cases" for d in found.differences)
    notes = "\n".join(f"Note: {note}" for note in (*found.notes, CAVEAT if tested else TOO_FEW))
    return f"{NAMES[found.which]}, {found.label}\n{align(lines)}\n\n{said}\n{notes}"


def write_comparison(found: Sequence[Comparison], to: Path) -> None:
    """Write all differences as CSV, one row each."""
    columns = ["set", "label", *(field.name for field in fields(Difference)), "verdict"]
    with atomic_path(to) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for one in found:
            for d in one.differences:
                writer.writerow({"set": one.which, "label": one.label, **asdict(d), "verdict": d.verdict})
