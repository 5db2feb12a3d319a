"""Comparisons of label files, listed in one file and written as one table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path, read_json
from atso_monai.metrics.overlap import dice_scores, foreground_dice
from atso_monai.transforms import MapLabels
from atso_monai.volume_file import read_volume

FOREGROUND = "foreground"


class ScoreSheet:
    """Dice of pairs of label files, per class and for the whole foreground.

    Args:
        datalist: a JSON file: ``labels`` maps class indices to names, ``pairs`` is a list of ``{"left", "right",
            "columns", "left_map"?, "right_map"?}``: two label files (relative to the file's folder, or absolute), the
            columns that a row carries on, and the label maps for files that are not in class indices yet.
        output: the CSV file to write: the columns, then ``label``, ``value`` (Dice in [0, 1]).
    """

    def __init__(self, datalist: str | Path, output: str | Path) -> None:
        self._datalist, self._output = Path(datalist), Path(output)

    def write(self) -> None:
        """Compare all pairs and write the table in one step."""
        rows = list(self.rows())
        with atomic_path(self._output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["label", "value"])
            writer.writeheader()
            writer.writerows(rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table's rows, in the order of the pairs; ``foreground`` comes last where there are several classes.

        Raises:
            PrepareError: when the two files of a pair differ in shape.
        """
        content = read_json(self._datalist)
        names = {int(index): name for index, name in content["labels"].items() if int(index) != 0}
        folder = self._datalist.parent
        labels = lru_cache(maxsize=4)(_labels)  # of this sheet alone: another run has other files of the same names
        for pair in content["pairs"]:
            left = labels(folder / pair["left"], _frozen(pair.get("left_map")))
            right = labels(folder / pair["right"], _frozen(pair.get("right_map")))
            if left.shape != right.shape:
                raise PrepareError(f"{pair['left']} has shape {left.shape}, {pair['right']} has {right.shape}.")
            scores = dice_scores(left, right, list(names))
            for index, name in names.items():
                yield {**pair["columns"], "label": name, "value": f"{scores[index]:.6f}"}
            if len(names) > 1:
                yield {**pair["columns"], "label": FOREGROUND, "value": f"{foreground_dice(left, right):.6f}"}


def _frozen(label_map: Mapping[str, int] | None) -> tuple[tuple[int, int], ...]:
    """A map as a hashable value; background stays background unless the map says otherwise."""
    return tuple({0: 0, **{int(k): int(v) for k, v in label_map.items()}}.items()) if label_map else ()


def _labels(path: Path, label_map: tuple[tuple[int, int], ...]) -> np.ndarray[Any, Any]:
    labels, _ = read_volume(path)
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int32)
    return np.asarray(MapLabels(dict(label_map))(labels)) if label_map else labels
