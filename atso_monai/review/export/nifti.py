"""Export as NIfTI: one label file per case, and what the values mean."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path, write_json
from atso_monai.review.export.case_labels import CaseLabels, RunLabels
from atso_monai.review.export.labels import read_label
from atso_monai.review.export.terms import term


class NiftiExport:
    """Copies final labels as they are, ``<id>.nii.gz`` on the case's own grid, and names their values.

    Args:
        run: the labels of a run.
        folder: an existing, empty folder.
    """

    def __init__(self, run: RunLabels, folder: Path) -> None:
        self._run, self._folder = run, folder

    def add(self, item: CaseLabels) -> None:
        """Write the label of one case."""
        if item.final is None:
            raise PrepareError(f"Case {item.case.id!r} has no final label yet.")
        read_label(item.final, self._run.classes)  # a damaged file is found here, not by whoever gets the copy
        shutil.copyfile(item.final, self._folder / item.final.name)

    def finish(self) -> None:
        """Write the names of the values as ``labels.json`` and, with SNOMED codes and colours, ``labels.csv``."""
        names = {0: "background", **self._run.classes}
        write_json(self._folder / "labels.json", {str(value): name for value, name in names.items()})
        with (
            atomic_path(self._folder / "labels.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            rows = csv.writer(file)
            rows.writerow(["value", "name", "snomed_ct", "side", "red", "green", "blue"])
            for value, name in self._run.classes.items():
                found = term(name, value)
                code, side = found.type[1] if found.known else "", found.side[2].lower() if found.side else ""
                rows.writerow([value, name, code, side, *found.colour])
