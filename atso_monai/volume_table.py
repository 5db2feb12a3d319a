"""``volumes.csv``: how large each class of label files is, a row as soon as a label is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from atso_monai.errors import PrepareError
from atso_monai.volume_file import case_id, read_volume

NAME = "volumes.csv"
COLUMNS = ("case", "label", "name", "voxels", "ml", "spacing_x_mm", "spacing_y_mm", "spacing_z_mm")
"""Class index and name; volume in ml; spacing along the axes of the label file, which are those of the scan."""


class VolumeTable:
    """A table of volumes in a folder, which rows are added to and never taken from.

    Several processes may add to one table: each case is written in one piece.

    Args:
        folder: where the table is, or will be.
        names: name of each class index. Each class but 0 gets a row of each case, also where the label lacks it.
        cases: what will be added.

    Raises:
        PrepareError: when the file is no such table, or has rows of one of the cases already.
    """

    def __init__(self, folder: Path, names: Mapping[int, str], cases: Iterable[str]) -> None:
        self._path, self._names = folder / NAME, {index: name for index, name in names.items() if index}
        if not self._path.exists():
            return
        if not self._path.is_file() or _rows(self._path)[:1] != [list(COLUMNS)]:
            raise PrepareError(f"{self._path} is no table of volumes. Nothing was written. Choose another folder.")
        known = {row[0] for row in _rows(self._path)[1:] if row}
        if again := [case for case in cases if case in known]:
            raise PrepareError(
                f"{self._path} has rows of {len(again)} of the scans already, first {again[0]!r}, whose label is gone. "
                "Nothing was written. Choose another folder, or take these rows out."
            )

    def add(self, file: Path) -> None:
        """Measure a label file (X, Y, Z) and write its rows.

        Raises:
            PrepareError: when the file cannot be read.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._path.exists():
            writer.writerow(COLUMNS)
        writer.writerows(_measured(file, self._names))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as table:
            table.write(text.getvalue().encode())


def _measured(file: Path, names: Mapping[int, str]) -> list[Sequence[object]]:
    """The rows of a label file: of each class, and of values that have no name."""
    labels, affine = read_volume(file)
    values, counts = np.unique(labels[labels != 0], return_counts=True)
    voxels = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    millilitres = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    spacing = [f"{float(length):.6g}" for length in np.linalg.norm(affine[:3, :3], axis=0)]
    return [
        (case_id(file), index, names.get(index, f"label {index}"), count, f"{count * millilitres:.4f}", *spacing)
        for index in sorted({*names, *voxels})
        for count in [voxels.get(index, 0)]
    ]


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
