"""NIH Pancreas-CT as TCIA hands it out: which files are there, by case number.

Source: Roth et al., Data From Pancreas-CT, The Cancer Imaging Archive (2016), doi:10.7937/K9/TCIA.2016.tNB1kqBU.
Scans ``Pancreas-CT/PANCREAS_0001/<study>/<series>/*.dcm``, labels
``TCIA_pancreas_labels-02-05-2017/label0001.nii.gz``, both somewhere below one folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from atso_monai._dicom_series import is_dicom_folder
from atso_monai.errors import CohortError

WITHDRAWN = frozenset({25, 70})
"""Scans that TCIA withdrew: they show case 2 again, cropped otherwise. Their labels still ship."""

_SCAN = re.compile(r"PANCREAS_(\d{4})", re.IGNORECASE)
_LABEL = re.compile(r"label(\d{4})\.nii(\.gz)?", re.IGNORECASE)
_DEPTH = 4
_WAYS = (
    "Get Pancreas-CT (DICOM) and its labels from https://doi.org/10.7937/K9/TCIA.2016.tNB1kqBU, unpack both below one "
    "folder, and give that folder."
)


@dataclass(frozen=True)
class NihFiles:
    """What belongs to one case: the folder of its DICOM series and its label file; ``number`` counts from 1."""

    number: int
    series: Path | None
    label: Path | None

    @property
    def id(self) -> str:
        """TCIA's patient id, such as ``PANCREAS_0001``."""
        return nih_id(self.number)


def nih_id(number: int) -> str:
    """TCIA's patient id of a case number."""
    return f"PANCREAS_{number:04d}"


def find_nih(folder: Path) -> tuple[list[NihFiles], list[str]]:
    """The cases below ``folder`` that have a scan or a label, by number, and what is wrong with them.

    Hidden files are passed over. A case without scan or without label is listed as it is.

    Returns:
        Cases in the order of their numbers, and one sentence per fault: two folders for a case, several series.

    Raises:
        CohortError: when there is no such folder, or nothing of the data set in it.
    """
    scans, labels = _found(folder, _SCAN), _found(folder, _LABEL)
    scans = {number: [p for p in paths if p.is_dir()] for number, paths in scans.items()}
    labels = {number: [p for p in paths if p.is_file()] for number, paths in labels.items()}
    if not any(scans.values()) or not any(labels.values()):
        missing = "folders PANCREAS_0001, ..." if not any(scans.values()) else "files label0001.nii.gz, ..."
        what = f"{folder} holds no {missing}" if folder.is_dir() else f"There is no folder {folder}"
        raise CohortError(f"{what}. {_WAYS}")
    cases, faults = [], []
    for number in sorted(scans.keys() | labels.keys()):
        series = [s for scan in scans.get(number, []) for s in _series(scan)]
        for what, paths in (("DICOM folders", series), ("label files", labels.get(number, []))):
            if len(paths) > 1:
                faults.append(f"{nih_id(number)} has {len(paths)} {what}: {_listed(paths)}. Leave the right one.")
        cases.append(NihFiles(number, next(iter(series), None), next(iter(labels.get(number, [])), None)))
    return cases, faults


def _found(folder: Path, pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    """Paths below ``folder`` whose whole name matches, by number; what matches is not searched further."""
    found: dict[int, list[Path]] = {}
    level = [folder] if folder.is_dir() else []
    for _ in range(_DEPTH):
        entries = sorted(e for parent in level for e in parent.iterdir() if not e.name.startswith("."))
        level = []
        for entry in entries:
            if match := pattern.fullmatch(entry.name):
                found.setdefault(int(match[1]), []).append(entry)
            elif entry.is_dir() and not _SCAN.fullmatch(entry.name):
                level.append(entry)
    return found


def _series(scan: Path) -> list[Path]:
    """Folders with DICOM files in and below a case's folder."""
    folders = [scan, *sorted(p for p in scan.rglob("*") if p.is_dir())]
    return [folder for folder in folders if is_dicom_folder(folder)]


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
