"""A cohort of generated scans: for demonstrations and tests, and where labelled and unlabelled scans must differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import split
from atso_monai.errors import CohortError
from atso_monai.files import as_given, hash_json


def phantom_cohort(
    folder: str | Path,
    *,
    labelled: int = 4,
    reference: int = 16,
    test: int = 8,
    seed: int = 0,
    folds: int = 2,
    shift: bool = False,
    shape: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    name: str | None = None,
) -> Cohort:
    """A cohort of abdominal CT phantoms, each with its true label; generated at the first call, found again later.

    Args:
        folder: where the volumes are written; those already there are kept. With ``shift``, labelled cases go to its
            subfolder ``first_scanner``, the others to ``second_scanner``.
        labelled: number of labelled cases.
        reference: number of reference cases; all have ``truth``.
        test: number of test cases.
        seed: of the anatomy, the scans and the split.
        folds: number of reference folds.
        shift: take the labelled cases from one scanner and the reference and test cases from another, shifted in
            phase, noise and spacing (:data:`atso_monai.phantom.SHIFTED`).
        shape: voxels (X, Y, Z); None for the phantom's own.
        spacing: mm along X, Y, Z; None for the phantom's own.
        label_names: name of each class index; None for 1 "pancreas".
        label_map: class index of each value in the label files.
        name: of the cohort; None gives "phantom" or "shifted phantom".

    Raises:
        CohortError: when ``folder`` holds phantoms of other settings or other files, and as
            :func:`atso_monai.cohort.split` does.
    """
    counts = {"labelled": labelled, "reference": reference, "test": test}
    for role, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise CohortError(f"{role} must be a number of cases to generate. Received: {role}={count!r}.")
    grid = {key: tuple(value) for key, value in (("shape", shape), ("spacing", spacing)) if value is not None}
    base, others = Path(os.path.abspath(as_given(folder))), reference + test
    if shift:
        known = _written(base / "first_scanner", labelled, seed, grid)
        pool = [*known, *_second_scanner(base, others, seed, grid)]
    else:
        known, pool = [], _written(base, labelled + others, seed, grid)
    return split(
        pool,
        labelled=[case.id for case in known] if shift else labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        name=name or ("shifted phantom" if shift else "phantom"),
        label_names=label_names or {1: "pancreas"},
        label_map=label_map,
    )


def _second_scanner(base: Path, count: int, seed: int, grid: dict[str, Any]) -> list[Case]:
    """Cases of the shifted scanner, with a seed of their own: it must not see the people of the first one again."""
    from atso_monai.phantom import SHIFTED

    other = int(hash_json([seed, "second scanner"])[:8], 16)
    return _written(base / "second_scanner", count, other, {**grid, "scanner": SHIFTED, "prefix": "shifted"})


def _written(folder: Path, count: int, seed: int, settings: dict[str, Any]) -> list[Case]:
    from atso_monai.phantom import write_phantom  # loads the generator only for those who ask for it

    if not count:
        return []
    return [
        Case(i, image, label=label) for i, image, label in write_phantom(folder, cases=count, seed=seed, **settings)
    ]
