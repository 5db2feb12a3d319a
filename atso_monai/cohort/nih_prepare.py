"""NIH Pancreas-CT from DICOM and labels of unknown orientation to pairs of NIfTI files on one grid, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from atso_monai.cohort.align import Alignment, align_label, turned
from atso_monai.cohort.case import Case
from atso_monai.cohort.nih_layout import NihFiles
from atso_monai.errors import AtsoError, CohortError
from atso_monai.files import atomic_path, hash_json, read_json, write_json
from atso_monai.volume_file import read_volume

Array = npt.NDArray[Any]

_VERSION = 1
_WINDOW = (-100.0, 240.0)  # HU, of the overlays


def prepare_nih(
    cases: Iterable[NihFiles], prepared_dir: Path, show: Callable[[str], None]
) -> tuple[list[Case], list[str]]:
    """Convert the cases that are not converted yet; sources are only read.

    For each case ``images/<id>.nii.gz`` (HU, the grid of the DICOM series), ``labels/<id>.nii.gz`` (the label on that
    grid), ``overlays/<id>.png`` to look at, and ``records/<id>.json``, written last: where everything came from and why
    the label lies as it does. A case whose source files changed is converted anew.

    Returns:
        The converted cases, and one sentence for each case that cannot be converted.
    """
    done, faults = [], []
    for files in cases:
        try:
            done.append(_prepared(files, prepared_dir, show))
        except AtsoError as error:
            faults.append(f"{files.id}: {error} (scan {files.series}, label {files.label})")
    return done, faults


def converted_nih(folder: Path) -> list[Case]:
    """The cases that :func:`prepare_nih` finished in ``folder``, by id; none where it is no such folder."""
    names = sorted(path.stem for path in (folder / "records").glob("PANCREAS_*.json"))
    cases = [Case(name, _file(folder, "images", name), label=_file(folder, "labels", name)) for name in names]
    return [case for case in cases if case.image.is_file() and case.label is not None and case.label.is_file()]


def _prepared(files: NihFiles, folder: Path, show: Callable[[str], None]) -> Case:
    image, label = _file(folder, "images", files.id), _file(folder, "labels", files.id)
    record, stamp = folder / "records" / f"{files.id}.json", _stamp(files)
    if not (image.is_file() and label.is_file() and _recorded(record) == stamp):
        try:
            alignment = _convert(files, image, label, folder / "overlays" / f"{files.id}.png")
            write_json(record, _provenance(files, stamp, alignment))
        except OSError as error:
            raise CohortError(f"cannot write to {folder} ({error.strerror or error}). Set prepared_dir") from error
        show(f"{files.id}: label {alignment.chosen.name} ({alignment.reason})")
    return Case(files.id, image, label=label)


def _convert(files: NihFiles, image: Path, label: Path, overlay: Path) -> Alignment:
    from atso_monai.review.overlay import draw_overlay  # draws with what only this needs

    if files.series is None or files.label is None:
        raise CohortError(f"there is no {'DICOM series' if files.series is None else 'label file'} for it")
    scan, affine = read_volume(files.series)
    stored, label_affine = read_volume(files.label)
    alignment = align_label(scan, affine, stored, label_affine)
    _write(image, scan, affine)
    _write(label, (turned(stored, alignment.chosen) != 0).astype(np.uint8), affine)
    draw_overlay(image, label, [(f"{files.id}, label {alignment.chosen.name}", label)], overlay, _WINDOW)
    return alignment


def _write(path: Path, values: Array, affine: Array) -> None:
    image = nib.Nifti1Image(values, affine, dtype=values.dtype)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _file(folder: Path, kind: str, name: str) -> Path:
    return folder / kind / f"{name}.nii.gz"


def _recorded(record: Path) -> object:
    try:
        return read_json(record)["stamp"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: converted anew


def _stamp(files: NihFiles) -> str:
    """Changes with the names, sizes and times of the source files."""
    sources = sorted(files.series.iterdir()) if files.series else []
    sources += [files.label] if files.label else []
    seen = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sources if not p.name.startswith(".")]
    return hash_json([_VERSION, seen])


def _provenance(files: NihFiles, stamp: str, alignment: Alignment) -> dict[str, Any]:
    return {
        "id": files.id,
        "series": os.path.abspath(str(files.series)),
        "label": os.path.abspath(str(files.label)),
        "stamp": stamp,
        "alignment": alignment.to_json(),
    }
