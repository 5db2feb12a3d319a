"""The cases of the report: which are shown, and the tables of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite

from atso_monai.cohort import Case
from atso_monai.review.outcomes import REFERENCE, TEST, Scores, final_scores
from atso_monai.review.queue import PARTS, POINTS, Suspect
from atso_monai.review.read_run import ReadRun, label_file, predictions_on_test
from atso_monai.review.report.looks import NAMES
from atso_monai.review.report.numbers import Cell, Table, number
from atso_monai.review.report.pictures import Picture, case_picture

SUSPECTS_SHOWN = 4
SUSPECTS_LISTED = 12


def suspect_pictures(run: ReadRun, queue: Sequence[Suspect]) -> Iterator[Picture]:
    """The cases that should be looked at first."""
    cases = {case.id: case for case in run.cohort.reference}
    label = run.main_label
    known = final_scores(run, run.outcome, REFERENCE, label)
    for rank, suspect in enumerate(queue[:SUSPECTS_SHOWN], 1):
        numbers = f"score {suspect.score:.0f}{_dsc(known, suspect.case)}: {suspect.reasons[0]}"
        case, title = cases[suspect.case], f"No. {rank} to look at"
        mapping = run.cohort.label_map_of(case)
        yield case_picture(case, run.run_dir / suspect.label, title, numbers, mapping, run.classes)


def _dsc(known: Scores, case: str) -> str:
    return f", DSC {100 * known[case]:.1f}%" if case in known else ""


def ranked_pictures(run: ReadRun, which: str) -> Iterator[Picture]:
    """Best, median and worst case by DSC, of the run's own strategy; nothing where no DSC is known."""
    scores = final_scores(run, run.outcome, which, run.main_label)
    cases = {case.id: case for case in (run.cohort.test if which == TEST else run.cohort.reference)}
    order = sorted(scores, key=lambda case: -scores[case])
    places = {"Best": 0, "Median": len(order) // 2, "Worst": len(order) - 1} if order else {}
    chosen: dict[str, str] = {}
    for title, place in places.items():
        chosen.setdefault(order[place], title)
    for name, title in chosen.items():
        file = _file(run, which, cases[name])
        if file is not None:
            numbers = f"DSC {100 * scores[name]:.1f}%{_by_class(run, which, name)}{_distance(run, which, name)}"
            mapping = run.cohort.label_map_of(cases[name])
            yield case_picture(cases[name], run.run_dir / file, title, numbers, mapping, run.classes)


def _by_class(run: ReadRun, which: str, case: str) -> str:
    """DSC of each class of a case, where there are several: the whole foreground hides classes that are mixed up."""
    if len(run.classes) < 2:
        return ""
    scores = {name: final_scores(run, run.outcome, which, name) for name in run.classes.values()}
    words = ", ".join(f"{name} {100 * found[case]:.1f}%" for name, found in scores.items() if case in found)
    return f" of the whole foreground; {words}" if words else ""


def _distance(run: ReadRun, which: str, case: str) -> str:
    """HD95 of a case, where it was measured."""
    value = final_scores(run, run.outcome, which, run.main_label, "hd95").get(case)
    if value is None:
        return ""
    return f"; HD95 {value:.2f} mm" if isfinite(value) else "; no HD95: prediction or truth is empty"


def _file(run: ReadRun, which: str, case: Case) -> str | None:
    if which == TEST:
        artefact = predictions_on_test(run, run.outcome)
        found = run.artefact_file(artefact, case.id) if artefact else None
    else:
        found = label_file(run, case.id)
    return None if found is None else str(found.relative_to(run.run_dir))


def suspects_table(queue: Sequence[Suspect]) -> Table:
    """The head of the review queue, with reasons in words."""
    rows = tuple(
        (Cell(str(rank), rank, "num"), Cell(s.case), number(s.score, 0, 1), Cell("; ".join(s.reasons), None, "words"))
        for rank, s in enumerate(queue[:SUSPECTS_LISTED], 1)
    )
    return Table("The review queue, most suspicious first", ("Rank", "Case", "Score", "Why"), rows)


def reference_table(run: ReadRun, queue: Sequence[Suspect]) -> Table:
    """Every reference case that has a pseudo label."""
    label = run.main_label
    known = final_scores(run, run.outcome, REFERENCE, label)
    head = [
        "Case",
        "Fold",
        "Score",
        *(f"{POINTS[part].capitalize()} points" for part in PARTS),
        "Agreement, %",
        "Same as before, %",
    ]
    head += ["Volume, ml", *([f"DSC, % ({label})"] if known else [])]
    rows = []
    for s in queue:
        volume = sum(shape.millilitres for shape in s.shapes.values())
        cells = [Cell(s.case), Cell(s.fold), number(s.score, 0, 1), *(number(s.points.get(p), 0, 1) for p in PARTS)]
        cells += [_sure(s, s.agreement), _sure(s, s.change), Cell(f"{volume:.3g}", volume, "num")]
        rows.append((*cells, *([number(known.get(s.case))] if known else [])))
    return Table(f"All {len(queue)} reference cases with a pseudo label", tuple(head), tuple(rows), sortable=True)


def _sure(suspect: Suspect, dice: float | None) -> Cell:
    """Dice of labels with each other, marked where it says nothing."""
    cell = number(dice)
    return replace(cell, detail="empty label") if suspect.empty and dice is not None else cell


def case_score_table(
    run: ReadRun, metric: str = "dsc", title: str = "DSC in %", cell: Callable[[float | None], Cell] = number
) -> Table | None:
    """A metric of every test case by each strategy, or None where none is known."""
    label = run.main_label
    scores = {o.strategy: final_scores(run, o, TEST, label, metric) for o in run.plan.outcomes}
    scores = {strategy: found for strategy, found in scores.items() if found}
    cases = sorted({case for found in scores.values() for case in found})
    if not cases:
        return None
    rows = tuple((Cell(case), *(cell(found.get(case)) for found in scores.values())) for case in cases)
    head = ("Case", *(NAMES[strategy] for strategy in scores))
    return Table(f"All {len(cases)} test cases: {title}, {label}", head, rows, sortable=True)
