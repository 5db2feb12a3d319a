"""Which cases two strategies or runs can be compared on, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from atso_monai.cohort import Cohort
from atso_monai.errors import AtsoError, PrepareError
from atso_monai.review.measures import MEASURES, measured
from atso_monai.review.outcomes import REFERENCE, TEST, Scores
from atso_monai.review.read_run import ReadRun
from atso_monai.volume_file import inspect_volume

NAMES = {TEST: "the test set", REFERENCE: "the pseudo labels of the reference set"}


class ComparisonError(AtsoError):
    """The runs have no cases that they can be compared on."""


def without_distance(scores: Mapping[str, Scores], metric: str) -> list[str]:
    """How many cases of each arm have no distance, where any has none: the comparison is blind to them."""
    missing = {name: len(found) - len(measured(found)) for name, found in scores.items()}
    if not any(missing.values()):
        return []
    said = ", ".join(f"{name}: {count} of {len(scores[name])} without" for name, count in missing.items())
    return [
        f"Cases in which prediction or truth is empty have no {MEASURES[metric].title} and are in no number here "
        f"({said}). DSC counts them."
    ]


def older_runs(metric: str) -> str:
    """The way out for runs that were scored before there were distances."""
    return " Runs made by a version without distances get them when their command is given again." * (metric != "dsc")


def require_common(scores: Mapping[str, Scores], left: str, right: str, which: str, metric: str) -> None:
    """Raise ComparisonError unless two arms, by name, have scores of at least one common case."""
    missing = [name for name in (left, right) if not scores[name]]
    if missing:
        raise ComparisonError(
            f"{missing[0]} has no {MEASURES[metric].title} on {NAMES[which]}: there is no known truth, or the steps "
            f"that score it are not done. Try --on {REFERENCE if which == TEST else TEST}.{older_runs(metric)}"
        )
    if not scores[left].keys() & scores[right].keys():
        raise ComparisonError(
            f"{left} and {right} have no case of {NAMES[which]} in common. Compare runs that were tested on the same "
            "cases: start them from one cohort file (atso run --cohort FILE)."
        )


def same_cases(first: ReadRun, other: ReadRun, which: str) -> list[str]:
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
