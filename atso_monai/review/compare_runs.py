"""Which strategies of which runs are compared, on which cases."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from atso_monai.cohort import Cohort
from atso_monai.engine.plan import Outcome
from atso_monai.engine.tables import align
from atso_monai.errors import AtsoError, ConfigError, PrepareError, one_of
from atso_monai.files import atomic_path
from atso_monai.review.compare import FEWEST, Difference, adjusted, interval_text, p_text, paired_difference, sentence
from atso_monai.review.measures import MEASURES, measured
from atso_monai.review.outcomes import REFERENCE, SETS, TEST, Scores, final_scores
from atso_monai.review.read_run import ReadRun
from atso_monai.volume_file import inspect_volume

NAMES = {TEST: "the test set", REFERENCE: "the pseudo labels of the reference set"}
CAVEAT = (
    "Intervals and tests are over cases, for the models as they were trained: another seed or split may give another "
    "answer. p is adjusted for the number of comparisons (Holm)."
)

TOO_FEW = f"Intervals and tests need {FEWEST} common cases."


class ComparisonError(AtsoError):
    """The runs have no cases that they can be compared on."""


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

    Distances are compared on the cases that have one in both arms; how many have none is a note for each arm.

    Raises:
        ComparisonError: when two arms share no case with a known truth, or an id names different scans.
        ConfigError: for a label that the runs do not have, or another metric.
    """
    one_of("set", which, SETS)
    one_of("metric", metric, list(MEASURES))
    chosen = _label([arm.run for arm in arms], label)
    notes = list(dict.fromkeys(note for arm in arms[1:] for note in _same_cases(arms[0].run, arm.run, which)))
    scores = {arm.name: final_scores(arm.run, arm.outcome, which, chosen, metric) for arm in arms}
    notes += _without(scores, metric)
    known = {name: measured(found) for name, found in scores.items()}
    left, differences = arms[0].name, []
    for arm in arms[1:]:
        _require_common(known, left, arm.name, which, metric)
        differences.append(paired_difference(left, arm.name, known[left], known[arm.name], metric))
    if which == REFERENCE and any(arm.outcome.strategy == "oracle" for arm in arms):
        notes.append("oracle was trained on the true labels of these reference cases.")
    return Comparison(which, chosen, tuple(adjusted(differences)), tuple(notes), metric)


def _without(scores: Mapping[str, Scores], metric: str) -> list[str]:
    """How many cases of each arm have no distance, where any has none: the comparison is blind to them."""
    missing = {name: len(found) - len(measured(found)) for name, found in scores.items()}
    if not any(missing.values()):
        return []
    said = ", ".join(f"{name}: {count} of {len(scores[name])} without" for name, count in missing.items())
    return [
        f"Cases in which prediction or truth is empty have no {MEASURES[metric].title} and are in no number here "
        f"({said}). DSC counts them."
    ]


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
    known = [w for w in SETS if all(measured(final_scores(a.run, a.outcome, w, chosen, metric)) for a in arms)]
    if not known:
        raise ComparisonError(
            f"There is no {MEASURES[metric].title} to compare: no truth is known for test or reference cases of all "
            "that is compared, or the steps that score it are not done. `atso status RUN` tells how far a run is."
            f"{_older(metric)}"
        )
    return [compare(arms, which, label, metric) for which in known]


def _older(metric: str) -> str:
    """The way out for runs that were scored before there were distances."""
    return " Runs made by a version without distances get them when their command is given again." * (metric != "dsc")


def _label(runs: Sequence[ReadRun], label: str | None) -> str:
    if len({tuple(run.score_labels) for run in runs}) > 1:
        shown = "; ".join(f"{run.name}: {', '.join(run.score_labels)}" for run in runs)
        raise ComparisonError(f"The runs segment different structures ({shown}). Compare runs of one task.")
    chosen = label or runs[0].main_label
    one_of("label", chosen, runs[0].score_labels)
    return chosen


def _require_common(scores: Mapping[str, Scores], left: str, right: str, which: str, metric: str) -> None:
    missing = [name for name in (left, right) if not scores[name]]
    if missing:
        raise ComparisonError(
            f"{missing[0]} has no {MEASURES[metric].title} on {NAMES[which]}: there is no known truth, or the steps "
            f"that score it are not done. Try --on {REFERENCE if which == TEST else TEST}.{_older(metric)}"
        )
    if not scores[left].keys() & scores[right].keys():
        raise ComparisonError(
            f"{left} and {right} have no case of {NAMES[which]} with {MEASURES[metric].title} in common. Compare "
            "runs that were tested on the same cases: start them from one cohort file (atso run --cohort FILE)."
        )


def _same_cases(first: ReadRun, other: ReadRun, which: str) -> list[str]:
    """Notes on how the cases of two runs differ; none for two strategies of one run."""
    if first is other:
        return []
    mine, theirs = _files(first.cohort, which), _files(other.cohort, which)
    common = [case for case in mine if case in theirs]
    for case in common:
        if mine[case] != theirs[case] and _content(mine[case]) != _content(theirs[case]):
            raise ComparisonError(
                f"Case {case!r} is another scan in {first.run_dir} ({mine[case]}) than in {other.run_dir} "
                f"({theirs[case]}). Runs can be compared on the same scans only."
            )
    notes = []
    if first.cohort.fingerprint != other.cohort.fingerprint:
        notes.append(
            f"{first.name} and {other.name} have different splits (fingerprints {first.cohort.fingerprint} and "
            f"{other.cohort.fingerprint}): what differs may come from the cases that each was trained on."
        )
    if mine.keys() != theirs.keys():
        notes.append(
            f"Compared on the {len(common)} common cases of {len(mine)} in {first.name} and {len(theirs)} in "
            f"{other.name}."
        )
    return notes


def _files(cohort: Cohort, which: str) -> dict[str, Path]:
    return {case.id: case.image for case in (cohort.test if which == TEST else cohort.reference)}


def _content(image: Path) -> str:
    try:
        return inspect_volume(image).content
    except PrepareError as error:
        raise ComparisonError(f"Whether two runs used the same scans cannot be told: {error}") from None


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
