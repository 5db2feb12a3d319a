"""Reference cases in the order in which a person should look at them, without any truth.

The score is a sum of points, each with its reason. The weights were set before any result was looked at:
`benchmarks/agreement.py` measures how well score and parts rank the true DSC.

| evidence | points |
| --- | --- |
| the fold model that did not see the case and those that did disagree | 100 x (1 - Dice), mean over classes |
| the pseudo label moved since the generation before | 50 x (1 - Dice), mean over classes |
| a class has an unusual volume (standard deviations of the log volume of the labelled set, beyond 1) | 10 each, <= 50 |
| a class lies in pieces that labelled cases do not have | 50 x share outside the largest, beyond the labelled set's |
| a class is empty | 100 x share of labelled cases that have it |

Of volume, pieces and emptiness the worst class counts.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from atso_monai.engine.tables import align
from atso_monai.files import atomic_path
from atso_monai.review.evidence import Expected, Shape, expected, shapes
from atso_monai.review.outcomes import Scores, agreement_series, change_series, mean_over_classes, newest
from atso_monai.review.read_run import ReadRun, label_file, newest_labels

PARTS = ("agreement", "change", "volume", "pieces", "empty")
POINTS = {"agreement": "disagree", "change": "moved", "volume": "volume", "pieces": "pieces", "empty": "empty"}
"""What the points of each kind of evidence are called: the more, the worse, while agreement and change are Dice."""
COLUMNS = (
    "rank", "case", "fold", "score", *(f"{POINTS[part]}_points" for part in PARTS), "agreement", "change", "volume_ml",
    "pieces", "reasons", "label",
)  # fmt: skip
NOTHING = "nothing unusual"
POOR = 0.7
"""A Dice below this is called poor whatever that of the other cases is."""


@dataclass(frozen=True)
class Suspect:
    """A reference case with what speaks against its pseudo label.

    Attributes:
        case: its id.
        fold: its fold.
        points: of each kind of evidence that there is; a kind without data is left out.
        reasons: in words, heaviest first.
        shapes: volume and pieces of each class, by name.
        agreement: Dice of the fold models with each other, mean over classes, or None.
        change: Dice with the label of the generation before, mean over classes, or None.
        label: the pseudo label, relative to the run folder; empty where there is none yet.
    """

    case: str
    fold: str
    points: Mapping[str, float]
    reasons: tuple[str, ...]
    shapes: Mapping[str, Shape]
    agreement: float | None
    change: float | None
    label: str

    @property
    def score(self) -> float:
        """Sum of the points; the higher, the more likely the pseudo label is wrong."""
        return sum(self.points.values())

    @property
    def empty(self) -> bool:
        """Whether the label has no class at all; Dice calls two such labels equal."""
        return not any(shape.millilitres for shape in self.shapes.values())


def review_queue(run: ReadRun) -> list[Suspect]:
    """All reference cases that have a pseudo label, most suspicious first; one label is in memory at a time.

    Raises:
        PrepareError: when a label file cannot be read.
    """
    hopes = _labelled_shapes(run)
    strategy = run.outcome.strategy
    agreement = _per_case(run, {label: newest(agreement_series(run, strategy, label)) for label in run.score_labels})
    change = _per_case(run, {label: newest(change_series(run, strategy, label)) for label in run.score_labels})
    found = [_suspect(run, case, fold, hopes, agreement, change) for case, fold, _ in _labelled_reference(run)]
    return sorted(found, key=lambda s: (-s.score, s.case))


def _labelled_reference(run: ReadRun) -> Iterator[tuple[str, str, Path]]:
    """Reference cases with a pseudo label: id, fold, file."""
    for case, fold in run.fold_of().items():
        if (file := label_file(run, case)) is not None:
            yield case, fold, file


def _per_case(run: ReadRun, per_label: dict[str, Scores]) -> Scores:
    return mean_over_classes(run, per_label)


def _labelled_shapes(run: ReadRun) -> dict[str, Expected]:
    """How each class looks in S, by name."""
    cohort, classes = run.cohort, run.classes
    cases = [(case.label, cohort.label_map_of(case)) for case in cohort.labelled if case.label is not None]
    seen = [shapes(label, list(classes), mapping) for label, mapping in cases]
    return {name: expected([one[index] for one in seen]) for index, name in classes.items()}


def _suspect(
    run: ReadRun, case: str, fold: str, hopes: Mapping[str, Expected], agreement: Scores, change: Scores
) -> Suspect:
    artefact = newest_labels(run)[fold]
    file = run.run_dir / artefact / f"{case}.nii.gz"
    seen = shapes(file, list(run.classes))
    own = {name: seen[index] for index, name in run.classes.items()}
    weighed = {**_disagreement(case, agreement, change), **_unusual(own, hopes)}
    heaviest = sorted(weighed.items(), key=lambda item: -item[1][0])
    reasons = tuple(reason for _, (points, reason) in heaviest if points >= 5 and reason)
    return Suspect(
        case, fold, {part: weighed[part][0] for part in PARTS if part in weighed}, reasons or (NOTHING,), own,
        agreement.get(case), change.get(case), f"{artefact}/{case}.nii.gz",
    )  # fmt: skip


Weighed = dict[str, tuple[float, str]]
"""Points and reason of each kind of evidence."""


def _disagreement(case: str, agreement: Scores, change: Scores) -> Weighed:
    found: Weighed = {}
    if case in agreement:
        words = _lower(case, agreement, "the fold models agree poorly", "the fold models agree less than usual")
        found["agreement"] = (100 * (1 - agreement[case]), words)
    if case in change:
        words = _lower(
            case, change, "the label changed much in the last generation", "the label changed more than usual"
        )
        found["change"] = (50 * (1 - change[case]), words)
    return found


def _lower(case: str, scores: Scores, poor: str, unusual: str) -> str:
    """A reason where a Dice is low as such, or lower than that of half of the cases; else none."""
    middle = median(scores.values())
    if scores[case] >= POOR and scores[case] >= middle:
        return ""
    return f"{poor if scores[case] < POOR else unusual} (Dice {100 * scores[case]:.0f}%, median {100 * middle:.0f}%)"


def _unusual(own: Mapping[str, Shape], hopes: Mapping[str, Expected]) -> Weighed:
    """The worst class of each kind."""
    kinds = {"volume": _volume, "pieces": _pieces, "empty": _empty}
    return {
        kind: max((weigh(name, shape, hopes[name]) for name, shape in own.items()), key=lambda found: found[0])
        for kind, weigh in kinds.items()
    }


def _volume(name: str, shape: Shape, hope: Expected) -> tuple[float, str]:
    if not hope.present or not shape.millilitres:
        return 0.0, ""
    apart = (math.log(shape.millilitres) - hope.centre) / hope.spread
    size = "large" if apart > 0 else "small"
    reason = (
        f"{name} is {size}: {volume_text(shape.millilitres)}, "
        f"labelled cases {volume_text(hope.smallest)} to {volume_text(hope.largest)}"
    )
    return min(50.0, 10 * max(0.0, abs(apart) - 1)), reason


def _pieces(name: str, shape: Shape, hope: Expected) -> tuple[float, str]:
    reason = (
        f"{name} lies in {shape.pieces} pieces, {100 * shape.outside:.0f}% outside the largest "
        f"(labelled cases: at most {max(hope.pieces, 1)}, {100 * hope.outside:.0f}%)"
    )
    return 50 * max(0.0, shape.outside - hope.outside), reason


def _empty(name: str, shape: Shape, hope: Expected) -> tuple[float, str]:
    if shape.millilitres or not hope.present:
        return 0.0, ""
    return 100 * hope.present / hope.cases, f"{name} is empty, {hope.present} of {hope.cases} labelled cases have it"


def volume_text(millilitres: float) -> str:
    """A volume in ml, or in mm³ where it is below 0.1 ml."""
    if millilitres < 0.1:
        return f"{1000 * millilitres:.3g} mm³"
    return f"{millilitres:.3g} ml" if millilitres < 1000 else f"{millilitres:.0f} ml"


def queue_table(queue: list[Suspect], top: int | None = None) -> str:
    """The queue as text, with the points of each kind of evidence.

    Points for disagreement and movement are in brackets where the label is empty: empty labels agree perfectly.
    """
    lines = [["case", "fold", "score", *(f"{POINTS[part]} pts" for part in PARTS)]]
    for s in queue[:top]:
        lines.append([s.case, s.fold, f"{s.score:.0f}", *(_points(s, part) for part in PARTS)])
    table = align(lines).splitlines()
    reasons = ["reasons", *("; ".join(s.reasons) for s in queue[:top])]
    return "\n".join(f"{line}  {reason}" for line, reason in zip(table, reasons, strict=True))


def _points(suspect: Suspect, part: str) -> str:
    if part not in suspect.points:
        return "-"
    points = f"{suspect.points[part]:.0f}"
    return f"({points})" if part in ("agreement", "change") and suspect.empty else points


def write_queue(queue: list[Suspect], to: Path) -> None:
    """Write the queue as CSV: Dice in [0, 1], volumes in ml, points as in the table."""
    with atomic_path(to) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for rank, s in enumerate(queue, 1):
            writer.writerow({
                "rank": rank, "case": s.case, "fold": s.fold, "score": f"{s.score:.2f}",
                **{f"{POINTS[part]}_points": f"{s.points[part]:.2f}" if part in s.points else "" for part in PARTS},
                "agreement": "" if s.agreement is None else f"{s.agreement:.6f}",
                "change": "" if s.change is None else f"{s.change:.6f}",
                "volume_ml": "; ".join(f"{name} {shape.millilitres:.6g}" for name, shape in s.shapes.items()),
                "pieces": "; ".join(f"{name} {shape.pieces}" for name, shape in s.shapes.items()),
                "reasons": "; ".join(s.reasons), "label": s.label,
            })  # fmt: skip


HEADER = ",".join(COLUMNS[:4])
"""How the CSV file begins, whatever the columns of points are called."""
