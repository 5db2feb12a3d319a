"""Corrected reference cases become labelled ones, in a new cohort; what was there before stays as it is."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from atso_monai.cohort import Case, Cohort, make_folds, require_sound
from atso_monai.errors import AtsoError, nearest
from atso_monai.files import atomic_path, hash_file, write_json
from atso_monai.metrics import foreground_dice
from atso_monai.review.audit import PROVENANCE, Record, audit, write_audit
from atso_monai.review.corrections import Correction, CorrectionError, correction_files, read_correction
from atso_monai.review.read_run import ReadRun, label_file, newest_labels, read_labels

LEAST_REFERENCE = 2


class PromotionError(AtsoError):
    """Corrected labels do not fit the run, or the new cohort cannot be written."""


@dataclass(frozen=True)
class Promotion:
    """What was written.

    Attributes:
        cohort_file: the new cohort file.
        cohort: what it holds.
        cases: id of each promoted case to Dice of its corrected label with the pseudo label, None where there was none.
        notes: what a person should know, such as segments that were left out.
    """

    cohort_file: Path
    cohort: Cohort
    cases: Mapping[str, float | None]
    notes: tuple[str, ...]


def promote(run: ReadRun, labels: Path, to: Path, by: str) -> Promotion:
    """Write a new cohort in which the reference cases with a corrected label are labelled ones.

    ``to`` gets ``cohort.json``, ``labels/<id>.nii.gz`` (on the image's grid, in the values that the cohort's label map
    expects), ``provenance.json`` (who, when, from which file, in place of which pseudo label) and ``audit.csv``. The
    run, its pseudo labels and the files in ``labels`` are read only.

    Args:
        run: the run whose reference cases were corrected.
        labels: folder with one file per corrected case, named after it.
        to: the folder to write; new or empty.
        by: who made the corrections.

    Raises:
        PromotionError: when a file belongs to no reference case, too few reference cases would remain, or ``to`` is in
            use.
        CorrectionError: when a file does not fit its image or the classes.
        CohortError: when the new cohort is not sound.
    """
    if not by.strip():
        raise PromotionError("Say who made the corrections: --by NAME.")
    _require_new(to)
    files = correction_files(labels)
    _require_reference(run.cohort, files)
    temporary = to.parent / f".{to.name}.new"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        promotion = _write(run, files, temporary, by)
        if to.is_dir():
            to.rmdir()
        temporary.rename(to)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return replace(promotion, cohort_file=to / "cohort.json", cohort=Cohort.load(to / "cohort.json"))


def _require_new(to: Path) -> None:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise PromotionError(f"{to} is not empty. Nothing was written. Choose a new folder: --to.")


def _require_reference(cohort: Cohort, files: Mapping[str, Path]) -> None:
    """Refuse files that belong to no reference case, all at once, and to promote nearly everything."""
    roles = {case.id: role for role in ("labelled", "reference", "test") for case in getattr(cohort, role)}
    known = [name for name, role in roles.items() if role == "reference"]
    wrong = [
        f"{file}: {name!r} is a {roles[name]} case"
        if name in roles
        else f"{file}: no case of the run is called {name!r}.{nearest(name, known)}"
        for name, file in files.items()
        if name not in known
    ]
    if wrong:
        raise PromotionError(
            "Corrected labels must be named after reference cases of the run. Nothing was written.\n  "
            + "\n  ".join(wrong)
        )
    if len(known) - len(files) < LEAST_REFERENCE:
        raise PromotionError(
            f"Only {len(known) - len(files)} of {len(known)} reference cases would remain, and ATSO needs "
            f"{LEAST_REFERENCE}. Promote fewer, or train on all of them: --strategy supervised with --images, --labels."
        )


def _write(run: ReadRun, files: Mapping[str, Path], folder: Path, by: str) -> Promotion:
    values = _file_values(run.cohort)
    images = {case.id: case.image for case in run.cohort.reference}
    dice: dict[str, float | None] = {}
    records: dict[str, Any] = {}
    ignored: Counter[str] = Counter()
    for name, file in files.items():
        found = read_correction(file, images[name], run.cohort.labels)
        written = _save(found, values, folder / "labels" / f"{name}.nii.gz")
        dice[name] = _similarity(run, name, found)
        records[name] = _record(run, name, file, written, by, dice[name])
        ignored.update(found.ignored)
    cohort = promoted_cohort(run.cohort, {name: folder / "labels" / f"{name}.nii.gz" for name in files})
    promoted = tuple(case for case in cohort.labelled if case.id in files)
    require_sound(replace(cohort, name=f"{cohort.name}, corrected", labelled=promoted, reference=(), test=(), folds=()))
    notes = [*_segment_notes(ignored), *_fold_notes(run.cohort, cohort)]
    cohort.save(folder / "cohort.json")
    source = {"run": run.name, "fingerprint": run.cohort.fingerprint, "strategy": run.outcome.strategy}
    write_json(folder / PROVENANCE, {"promoted_from": source, "fingerprint": cohort.fingerprint, "cases": records})
    write_audit(chain(audit(run), _audit_lines(records)), folder / "audit.csv")
    return Promotion(folder / "cohort.json", cohort, dice, tuple(notes))


def promoted_cohort(cohort: Cohort, labels: Mapping[str, Path]) -> Cohort:
    """The cohort with some reference cases as labelled ones, last in their set; the folds keep who remains in them.

    Folds are dealt anew (seed 0, as many as there can be) only where one would be empty.
    """
    promoted = tuple(Case(c.id, c.image, label=labels[c.id]) for c in cohort.reference if c.id in labels)
    left = tuple(case for case in cohort.reference if case.id not in labels)
    folds = tuple(tuple(name for name in fold if name not in labels) for fold in cohort.folds)
    if not all(folds):
        folds = make_folds((case.id for case in left), min(len(cohort.folds), len(left)), seed=0)
    return replace(cohort, labelled=cohort.labelled + promoted, reference=left, folds=folds)


def _segment_notes(ignored: Mapping[str, int]) -> list[str]:
    """One line on all segments that are no class."""
    names = ", ".join(f"{name!r} ({count} file{'s' if count > 1 else ''})" for name, count in ignored.items())
    return [f"segments that are no class were left out: {names}"] if names else []


def _fold_notes(before: Cohort, after: Cohort) -> list[str]:
    kept = {name: k for k, fold in enumerate(before.folds) for name in fold}
    if all(kept[name] == k for k, fold in enumerate(after.folds) for name in fold):
        return []
    return ["a fold lost all of its cases, so the folds were dealt anew"]


def _file_values(cohort: Cohort) -> dict[int, int]:
    """The value that stands for each class in the cohort's label files.

    Raises:
        PromotionError: when no value does.
    """
    mapping = {0: 0, **cohort.label_map} if cohort.label_map is not None else {k: k for k in cohort.labels}
    values: dict[int, int] = {}
    for value, index in sorted(mapping.items(), key=lambda pair: (pair[0] < 0, abs(pair[0]))):
        values.setdefault(index, value)
    if missing := [name for index, name in cohort.labels.items() if index not in values]:
        raise PromotionError(f"No value of the label files stands for {missing[0]!r}: label_map has none.")
    return values


def _save(found: Correction, values: Mapping[int, int], to: Path) -> Path:
    """Write a label in the values of the cohort's label files, with the affine of the image."""
    # a class to ignore (255, say) leaves a gap after the others; no label holds what lies in it
    table = np.array([values.get(index, 0) for index in range(max(values) + 1)], dtype=np.int32)
    written = table[found.labels]
    kind = np.uint8 if written.min() >= 0 and written.max() < 256 else np.int32
    image = nib.Nifti1Image(written.astype(kind), found.affine)
    image.header.set_xyzt_units("mm")
    try:
        with atomic_path(to) as temporary:
            nib.save(image, temporary)
    except OSError as error:
        raise CorrectionError(f"Cannot write {to}: {error.strerror or error}. Choose another folder.") from error
    return to


def _similarity(run: ReadRun, case: str, found: Correction) -> float | None:
    file = label_file(run, case)
    return None if file is None else foreground_dice(read_labels(file)[0], found.labels)


def _record(run: ReadRun, case: str, file: Path, written: Path, by: str, dice: float | None) -> dict[str, Any]:
    artefact = newest_labels(run).get(run.fold_of().get(case, ""))
    result = run.results.get(artefact or "")
    return {
        "by": by,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "source": file.name,
        "source_sha256": hash_file(file),
        "sha256": hash_file(written),
        "replaces": f"{artefact}/{case}.nii.gz" if artefact else None,
        "replaces_sha256": result.files.get(f"{case}.nii.gz") if result else None,
        "dice_with_pseudo_label": None if dice is None else round(dice, 6),
    }


def _audit_lines(records: Mapping[str, Any]) -> list[Record]:
    return [
        {
            "case": name, "role": "labelled", "generation": "promoted", "label": f"labels/{name}.nii.gz",
            "label_sha256": record["sha256"], "made_by": "person", "maker": record["by"],
        }
        for name, record in records.items()
    ]  # fmt: skip
