"""A cohort of generated scans: for demonstrations and tests, and where labelled and unlabelled scans must differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atso_monai import __version__
from atso_monai.cohort import datalist
from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import split
from atso_monai.errors import CohortError
from atso_monai.files import as_given, hash_json, write_json

_RECORD = "phantom.json"


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
    """A cohort of abdominal CT phantoms, each with its true label; generated once and found again after that.

    Args:
        folder: where the volumes are written, with ``phantom.json``, which says how they were made.
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
        CohortError: when ``folder`` holds a phantom of other settings, and as :func:`atso_monai.cohort.split` does.
    """
    counts = {"labelled": labelled, "reference": reference, "test": test}
    for role, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise CohortError(f"{role} must be a number of cases to generate. Received: {role}={count!r}.")
    grid = {key: list(value) for key, value in (("shape", shape), ("spacing", spacing)) if value is not None}
    settings = {**counts, "seed": seed, "shift": shift, **grid, "version": __version__}
    cases = _generated(Path(os.path.abspath(as_given(folder))), settings, grid)
    source = [case.id for case in cases[:labelled]] if shift else labelled
    return split(
        cases,
        labelled=source,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        name=name or ("shifted phantom" if shift else "phantom"),
        label_names=label_names or {1: "pancreas"},
        label_map=label_map,
    )


def _generated(folder: Path, settings: dict[str, Any], grid: dict[str, Any]) -> list[Case]:
    """The cases in ``folder``, generated if they are not there yet."""
    record = folder / _RECORD
    if record.is_file():
        known = {"settings": {}, "cases": [], **_read_record(record)}
        _require_same(folder, known["settings"], settings)
        cases = [Case(name, folder / image, label=folder / label) for name, image, label in known["cases"]]
        if all(case.image.is_file() and case.label is not None and case.label.is_file() for case in cases):
            return cases
    written = _write(folder, settings, grid)
    entries = [[name, *(os.path.relpath(path, folder) for path in paths)] for name, *paths in written]
    write_json(record, {"settings": settings, "cases": entries})
    return [Case(name, Path(image), label=Path(label)) for name, image, label in written]


def _read_record(record: Path) -> dict[str, Any]:
    content = datalist.read(record)
    return content if isinstance(content, dict) else {}


def _write(folder: Path, settings: dict[str, Any], grid: dict[str, Any]) -> list[tuple[str, Path, Path]]:
    """Write the volumes; with ``shift``, the labelled cases come first."""
    from atso_monai.phantom import SHIFTED, write_phantom

    grid = {key: tuple(value) for key, value in grid.items()}
    unlabelled = settings["reference"] + settings["test"]
    seed = settings["seed"]
    if not settings["shift"]:
        return list(write_phantom(folder, cases=settings["labelled"] + unlabelled, seed=seed, **grid))
    # a seed of its own: the other scanner must not see the anatomies of the first one again
    other = int(hash_json([seed, "shifted"])[:8], 16)
    return [
        *write_phantom(folder, cases=settings["labelled"], seed=seed, **grid),
        *write_phantom(folder, cases=unlabelled, seed=other, scanner=SHIFTED, prefix="shifted", **grid),
    ]


def _require_same(folder: Path, known: dict[str, Any], settings: dict[str, Any]) -> None:
    changed = sorted(k for k in known.keys() | settings.keys() if known.get(k) != settings.get(k))
    if changed:
        rows = "".join(f"\n  {key}: was {known.get(key)!r}, now {settings.get(key)!r}" for key in changed)
        raise CohortError(
            f"{folder} holds a phantom that was generated with other settings:{rows}\n"
            "Put the old values back, or give another folder."
        )
