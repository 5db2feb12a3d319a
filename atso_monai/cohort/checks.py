"""All checks of a cohort in one pass, before any work starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.near_copies import near_copies
from atso_monai.cohort.problem import Problem, report
from atso_monai.cohort.role_checks import cases_by_role, role_problems
from atso_monai.cohort.volume_checks import Use, label_problems, pair_problems, volume_problems
from atso_monai.errors import CohortError, PrepareError
from atso_monai.volume_file import VolumeFacts, inspect_volume

Progress = Callable[[int, int], None]
"""Called with the number of files done and of all files."""

TOLERANCE_MM = 0.1


def check_cohort(
    cohort: Cohort,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    tolerance_mm: float = TOLERANCE_MM,
) -> list[Problem]:
    """Everything that is wrong with a cohort; an empty list for a sound one.

    Labels and roles first, then each file (missing, unreadable, not 3D, no valid grid, NaN, label values), then label
    against image, then files, image content and crops of one scan that more than one case uses. Truth of reference
    cases and labels of test cases are checked like labels, except that they may be empty. Nothing is written but
    ``cache_dir``.

    Args:
        cohort: with all of its truth, as far as known.
        cache_dir: keeps what was read of each file, so that a second check reads only new and changed files.
        progress: called after each file.
        tolerance_mm: how far apart the affines of image and label may put a corner of the volume.

    Raises:
        CohortError: when ``cache_dir`` cannot be written to.
    """
    uses = list(_uses(cohort))
    facts, problems = _inspect(uses, cache_dir, progress)
    found = [*role_problems(cohort), *problems]
    images = {(use.case, use.role): facts[use.path] for use in uses if use.kind == "image" and use.path in facts}
    for use in uses:
        if (seen := facts.get(use.path)) is None:
            continue
        found += volume_problems(use, seen)
        if use.kind != "image":
            found += label_problems(use, seen, cohort)
            if (image := images.get((use.case, use.role))) is not None:
                found += pair_problems(use, seen, image, tolerance_mm)
    return [*found, *_same_files(uses), *_same_content(uses, facts), *near_copies(uses, facts)]


def require_sound(
    cohort: Cohort,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    tolerance_mm: float = TOLERANCE_MM,
) -> None:
    """:func:`check_cohort` as a gate.

    Raises:
        CohortError: with the report of all problems.
    """
    if problems := check_cohort(cohort, cache_dir, progress, tolerance_mm=tolerance_mm):
        raise CohortError(report(problems, cohort.name))


def _uses(cohort: Cohort) -> Iterator[Use]:
    for role, case in cases_by_role(cohort):
        for kind in ("image", "label", "truth"):
            if (path := getattr(case, kind)) is not None:
                yield Use(case.id, role, kind, path, cohort.label_map_of(case))


def _inspect(
    uses: list[Use], cache_dir: Path | None, progress: Progress | None
) -> tuple[dict[Path, VolumeFacts], list[Problem]]:
    """Facts of each readable file, read once whoever uses it, and a problem for each use of the others."""
    facts: dict[Path, VolumeFacts] = {}
    faults: dict[Path, str] = {}
    paths = list(dict.fromkeys(use.path for use in uses))
    for done, path in enumerate(paths, start=1):
        try:
            facts[path] = _facts(path, cache_dir)
        except PrepareError as error:
            faults[path] = str(error)
        if progress is not None:
            progress(done, len(paths))
    return facts, [_unreadable(use, faults[use.path]) for use in uses if use.path in faults]


def _facts(path: Path, cache_dir: Path | None) -> VolumeFacts:
    try:
        return inspect_volume(path, cache_dir)
    except PrepareError as error:
        if cache_dir is None:
            raise
        inspect_volume(path)  # raises too when the volume is at fault
        raise CohortError(str(error)) from error  # the cache folder is


def _unreadable(use: Use, reason: str) -> Problem:
    if not os.path.exists(use.path):
        way_out = "Put the file there, or take the case out of the cohort."
        return use.problem(f"the {use.kind} is missing", way_out)
    detail = reason.removeprefix(f"Cannot read {use.path}")
    return use.problem(f"the {use.kind} is unreadable{detail}", "Repair the file, or take the case out of the cohort.")


def _same_files(uses: Iterable[Use]) -> Iterator[Problem]:
    """Files that are used twice, by whatever path."""
    first: dict[str, Use] = {}
    for use in uses:
        known = first.setdefault(os.path.realpath(use.path), use)
        if known is not use:
            what = f"the {use.kind} is the same file as the {known.kind} of {_who(known)}"
            yield use.problem(what, "Each file belongs to one case, once: correct the path, or take a case out.")


def _same_content(uses: Iterable[Use], facts: dict[Path, VolumeFacts]) -> Iterator[Problem]:
    """Images of several files with the same voxels: one scan under two names."""
    first: dict[str, Use] = {}
    for use in uses:
        if use.kind != "image" or use.path not in facts:
            continue
        known = first.setdefault(facts[use.path].content, use)
        if os.path.realpath(known.path) != os.path.realpath(use.path):
            what = f"the image has the same voxels as that of {_who(known)} ({known.path})"
            yield use.problem(what, "One scan under two names leaks from role to role: take one of the cases out.")


def _who(use: Use) -> str:
    return f"{use.role} case {use.case!r}"
