"""What the sources of street scenes share: finding pictures, and roles within the parts that a data set has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.draw import drawn_order
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import Share, split
from atso_monai.errors import CohortError
from atso_monai.files import as_given
from atso_monai.label_maps import load_table
from atso_monai.label_maps.table import IGNORE
from atso_monai.picture_file import is_picture


def dataset_folder(dataset_dir: str | Path | None, parts: Sequence[str], ways: str) -> Path:
    """The absolute data set folder.

    Raises:
        CohortError: when it is not given, or lacks one of the folders ``parts``; ends in ``ways``.
    """
    if not dataset_dir:
        raise CohortError(f"No data set was given: set dataset_dir. {ways}")
    folder = Path(os.path.abspath(as_given(dataset_dir)))
    if missing := [part for part in parts if not (folder / part).is_dir()]:
        raise CohortError(f"{folder} has no folder {missing[0]}. {ways}")
    return folder


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it, by name; none where there is no such folder."""
    found = (file for pattern in ("*", "*/*") for file in folder.glob(pattern) if file.is_file())
    return sorted(file for file in found if is_picture(file))


def street_split(
    training: Iterable[Case],
    validation: Iterable[Case],
    *,
    table: str,
    further: Iterable[Case] = (),
    labelled: Share = None,
    reference: Share = None,
    test: Share = None,
    seed: int = 0,
    folds: int = 2,
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    name: str = "cohort",
) -> Cohort:
    """Roles by :func:`atso_monai.cohort.split`, with E from the validation part and S from the training part.

    Args:
        training: cases for S and R.
        validation: cases for E.
        table: name of the label table that gives names and classes where ``label_names`` and ``label_map`` are None.
        further: cases for R only.
        labelled: number of cases, list of ids, or None for all training cases that ``reference`` does not list.
        reference: number of cases, list of ids, or None for all that remain.
        test: number of cases, list of ids, or None for the whole validation part.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index.
        label_map: class index of each value in the label files; 255 for values to ignore.
        name: of the cohort.

    Raises:
        CohortError: when there are too few cases, and as ``split`` does.
    """
    first, held_out, rest = list(training), list(validation), list(further)
    ids = [case.id for case in held_out] if test is None else _drawn(held_out, test, seed, "test")
    pool = [*first, *rest, *(case for case in held_out if case.id in set(ids))]
    if isinstance(labelled, int):
        labelled = _drawn([case for case in first if case.label], labelled, seed, "labelled", _listed(reference))
    elif labelled is None and (rest or reference is None or _listed(reference)):
        labelled = [case.id for case in first if case.label and case.id not in _listed(reference)]
    known = load_table(table)
    return split(
        pool,
        labelled=labelled,
        reference=reference,
        test=ids,
        seed=seed,
        folds=folds,
        name=name,
        label_names=label_names or (known.labels if label_map is None else None),
        label_map=label_map if label_map is not None else known.mapping,
        ignore=IGNORE,
    )


def _listed(share: Share) -> set[str]:
    return set() if share is None or isinstance(share, int) else set(share)


def _drawn(cases: Sequence[Case], share: Share, seed: int, role: str, taken: Iterable[str] = ()) -> list[str]:
    """The ids of a role: as listed, or drawn by number; the first 4 of a draw are the first 4 of the first 12."""
    if not isinstance(share, int):
        return list(share or ())
    free = drawn_order((case.id for case in cases if case.id not in set(taken)), seed, role)
    if isinstance(share, bool) or not 0 <= share <= len(free):
        raise CohortError(
            f"{role} must be a number of cases from 0 to {len(free)}, a list of ids, or null. Received: {share!r}."
        )
    return free[:share]
