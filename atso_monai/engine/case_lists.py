"""What a step works on: items of cases with their labels, or pairs of label files to compare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atso_monai.cohort import Case, Cohort
from atso_monai.engine.plan import GIVEN, LABELLED, TEST, TRUTH, Score, Step
from atso_monai.engine.workplace import Workplace
from atso_monai.files import text_keys

WHOLE_MODELS = ("all", "full", "final", "labels")
"""What surface distances are measured for, see :attr:`Score.model`."""


def case_list(place: Workplace, step: Step, folder: Path) -> tuple[list[dict[str, Any]], list[Any]]:
    """Items of a training or prediction, and what they hold, by content."""
    sets = step.sets or tuple((name, "") for name in step.cases)
    return _listed(place, sets, folder, step.reduced, step.grouped)


def items_of(place: Workplace, sets: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Items of sets of cases, each with its label source: ``given``, ``truth``, or nothing for items without label."""
    return _listed(place, sets, place.run_dir)[0]


def _listed(
    place: Workplace, sets: Sequence[tuple[str, str]], folder: Path, reduced: bool = False, grouped: bool = False
) -> tuple[list[dict[str, Any]], list[Any]]:
    items, contents = [], []
    for cases, source in sets:
        for case in cases_of(place.cohort, [cases]):
            item: dict[str, Any] = {"id": case.id, "image": str(case.image.absolute())}
            content: list[Any] = [case.id, place.contents[case.image]]
            if source in (GIVEN, TRUTH):
                found = _labelled_case(place, case, source)
                if found is None:
                    continue
                item["label"] = str(found.absolute())
                if label_map := place.classes.of_file(case, reduced):
                    item["label_map"] = text_keys(label_map)
                content += [place.contents[found], item.get("label_map")]
            elif source:
                item["label"] = relative(place.folder(source) / f"{case.id}{place.label_suffix}", folder)
                if grouped:
                    item["label_map"] = text_keys(place.classes.of_group())
                content += [source, item.get("label_map")]
            items.append(item)
            contents.append(content)
    return items, contents


def _labelled_case(place: Workplace, case: Case, source: str) -> Path | None:
    """The true label of a case for training; None for a reference case whose truth is not known."""
    if source == GIVEN:
        return case.label
    if place.revealed is None:
        raise AssertionError(f"only the strategy oracle may train on the truth of case {case.id}")
    return next((c.label for c in place.revealed.labelled if c.id == case.id), None)


def cases_of(cohort: Cohort, sets: Any) -> tuple[Case, ...]:
    """The cases of the named sets: ``labelled``, ``test``, or folds ``f1``, ``f2``, ..."""
    found: tuple[Case, ...] = ()
    for name in sets:
        named = {LABELLED: cohort.labelled, TEST: cohort.test}.get(name)
        found += named if named is not None else cohort.fold(int(name[1:]) - 1)
    return found


def score_list(place: Workplace, step: Step, folder: Path) -> tuple[dict[str, Any], list[Any], tuple[str, ...]]:
    """Pairs of label files to compare. Cases without known truth are left out of what needs it."""
    pairs, contents = [], []
    for score in step.scores:
        measured = _has_distances(place, score)
        for case in cases_of(place.cohort, [score.cases]):
            name = f"{case.id}{place.label_suffix}"
            right = place.truths.get(case.id) if score.right == TRUTH else None
            if score.right == TRUTH and right is None:
                continue
            pair: dict[str, Any] = {
                "columns": _columns(step, score, case),
                "left": relative(place.folder(score.left) / name, folder),
                "right": str(right.absolute()) if right else relative(place.folder(score.right) / name, folder),
            }
            if right is not None and (label_map := place.classes.of_file(case, step.reduced)):
                pair["right_map"] = text_keys(label_map)
            if measured:
                pair["distances"] = True
            pairs.append(pair)
            judge = place.contents[right] if right else score.right
            contents.append([pair["columns"], score.left, judge, pair.get("right_map"), *(["distances"] * measured)])
    head: dict[str, Any] = {"labels": text_keys(place.classes.names(step.reduced))}
    if place.cohort.ignore is not None:
        head["ignore"] = place.cohort.ignore
    return {**head, "pairs": pairs}, [*head.values(), contents], ("scores.csv",)


def _has_distances(place: Workplace, score: Score) -> bool:
    """Whether surface distances are shown: of volumes, for pseudo labels and models of all cases, not of fold models.

    Where some voxels do not count, what they cut off is no surface.
    """
    volumes = not place.label_suffix.endswith(".png") and place.cohort.ignore is None
    return volumes and score.metric == "dsc" and score.model in WHOLE_MODELS


def _columns(step: Step, score: Score, case: Case) -> dict[str, str]:
    fold = "" if score.cases == TEST else score.cases
    return {
        "strategy": step.strategy,
        "generation": step.generation,
        "model": score.model,
        "set": TEST if score.cases == TEST else "reference",
        "fold": fold,
        "case": case.id,
        "metric": score.metric,
    }


def relative(path: Path, folder: Path) -> str:
    """A path as seen from a step folder: step names are plain, so nothing in it can be taken for configuration."""
    return Path(os.path.relpath(path, folder)).as_posix()
