"""Checks that read no file: labels, ids, roles, folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import ROLES, Cohort
from atso_monai.cohort.problem import Problem

_LONGEST_ID = 200


def role_problems(cohort: Cohort) -> list[Problem]:
    """What is wrong with a cohort before any file is opened."""
    return [*_labels(cohort), *_labelled(cohort), *_ids(cohort), *_repeats(cohort), *_folds(cohort)]


def cases_by_role(cohort: Cohort) -> Iterator[tuple[str, Case]]:
    """Each case with its role, S first."""
    return ((role, case) for role in ROLES for case in getattr(cohort, role))


def _labels(cohort: Cohort) -> Iterator[Problem]:
    indices = sorted(cohort.labels)
    way_out = "Declare the classes as 0 (background), 1, 2, ... and let label_map bring the values of the files there."
    if indices != list(range(len(indices))) or not 2 <= len(indices) <= 256:
        yield Problem("", "", f"labels must be 0, 1, 2, ... up to 255, without gaps. Received: {indices}", way_out)
    if cohort.ignore in indices or not 0 <= (cohort.ignore or 0) <= 255:
        yield Problem("", "", f"ignore must be none of the classes {indices}, and at most 255", "Take 255.")
    maps = [("", "", cohort.label_map), *((c.id, str(c.image), c.label_map) for _, c in cases_by_role(cohort))]
    for name, file, mapping in maps:
        for value, index in sorted((mapping or {}).items()):
            if index not in cohort.labels and index != cohort.ignore:
                what = f"label_map gives value {value} the class {index}, which is none of {indices}"
                yield Problem(name, file, what, way_out)


def _labelled(cohort: Cohort) -> Iterator[Problem]:
    if not cohort.labelled:
        way_out = "Give at least one case an image and a label."
        yield Problem("", "", "there is no labelled case, so nothing can be learned", way_out)
    for case in cohort.labelled:
        if case.label is None:
            way_out = "Give the label, or make it a reference case."
            yield Problem(case.id, str(case.image), "a labelled case without label", way_out)


def _ids(cohort: Cohort) -> Iterator[Problem]:
    way_out = f"Case ids become file names: rename the case, with at most {_LONGEST_ID} bytes and no slash."
    for _, case in cases_by_role(cohort):
        if fault := _unsafe(case.id):
            yield Problem(case.id or "(empty)", str(case.image), f"its id {fault}", way_out)


def _unsafe(name: str) -> str:
    """Why ``name`` cannot be part of a file name, or an empty string."""
    if not name.strip():
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in name):
        return "has a path separator or a control character"
    size = len(name.encode("utf-8", "surrogateescape"))
    return f"is {size} bytes long" if size > _LONGEST_ID else ""


def _repeats(cohort: Cohort) -> Iterator[Problem]:
    places: dict[str, list[str]] = {}
    for role, case in cases_by_role(cohort):
        places.setdefault(case.id, []).append(role)
    files = {case.id: str(case.image) for _, case in cases_by_role(cohort)}
    for name, roles in places.items():
        if len(roles) > 1:
            what = f"the same id {len(roles)} times: {', '.join(roles)}"
            yield Problem(name or "(empty)", files[name], what, "Each case plays one role, once: take the others out.")


def _folds(cohort: Cohort) -> Iterator[Problem]:
    count, cases = len(cohort.folds), {case.id: str(case.image) for case in cohort.reference}
    if not count:
        return
    if len(cohort.reference) < count:
        way_out = "Add reference cases, or lower the number of folds."
        yield Problem("", "", f"fewer reference cases ({len(cohort.reference)}) than folds ({count})", way_out)
    times = Counter(name for fold in cohort.folds for name in fold)
    way_out = "Each reference case belongs in one fold, and no fold is empty: draw the folds again (Cohort.with_folds)."
    for k, fold in enumerate(cohort.folds):
        if not fold:
            yield Problem("", "", f"fold {k} is empty", way_out)
    for name in dict.fromkeys([*cases, *times]):
        if name not in cases:
            yield Problem(name, "", "it is in a fold, but is no reference case", way_out)
        elif times[name] != 1:
            yield Problem(name, cases[name], f"a reference case in {times[name]} folds", way_out)
