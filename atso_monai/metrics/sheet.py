"""Comparisons of label files, listed in one file and written as one table."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path, read_json
from atso_monai.metrics.overlap import class_counts, dice_of, foreground_counts
from atso_monai.metrics.surface import class_surface_distances, foreground_surface_distances
from atso_monai.transforms import MapLabels
from atso_monai.volume_file import read_volume

FOREGROUND = "foreground"
GLOBAL = "global_dsc"
DISTANCES = ("hd95", "assd")
"""Metrics in mm: attributes of :class:`atso_monai.metrics.SurfaceDistances`."""
Labels = np.ndarray[Any, Any]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Compared:
    """Two label files as class indices.

    Attributes:
        columns: what a row about them carries on: strategy, case, ...
        left: the labels to judge.
        right: what they are compared with, of the same shape.
        affine: of ``left``, 4x4, voxel to RAS mm: a prediction has that of its scan.
        distances: whether surface distances are asked for.
    """

    columns: Mapping[str, str]
    left: Labels
    right: Labels
    affine: npt.NDArray[np.float64]
    distances: bool = False


class Sheet(ABC):
    """Pairs of label files in, one CSV table out.

    Args:
        datalist: a JSON file: ``labels`` maps class indices to names, ``pairs`` is a list of ``{"left", "right",
            "columns", "left_map"?, "right_map"?, "distances"?}``: two label files (relative to the file's folder, or
            absolute), the columns that a row carries on, the label maps for files that are not in class indices yet,
            and whether surface distances are asked for. Where ``right`` has the class ``ignore``, if that is given,
            nothing is compared.
        output: the CSV file to write.
    """

    def __init__(self, datalist: str | Path, output: str | Path) -> None:
        self._datalist, self._output = Path(datalist), Path(output)

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """The table's rows, each with the same columns."""

    def write(self) -> None:
        """Compare all pairs and write the table in one step."""
        self.write_rows(list(self.rows()))

    def write_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the table."""
        with atomic_path(self._output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["label", "value"])
            writer.writeheader()
            writer.writerows(rows)

    def compared(self) -> Iterator[Compared]:
        """The pairs, in their order.

        Raises:
            PrepareError: when the two files of a pair differ in shape.
        """
        labels = lru_cache(maxsize=4)(_labels)  # of this sheet alone: another run has other files of the same names
        folder = self._datalist.parent
        for pair in self.content["pairs"]:
            left, affine = labels(folder / pair["left"], _frozen(pair.get("left_map")))
            right, _ = labels(folder / pair["right"], _frozen(pair.get("right_map")))
            if left.shape != right.shape:
                raise PrepareError(f"{pair['left']} has shape {left.shape}, {pair['right']} has {right.shape}.")
            yield Compared(pair["columns"], left, right, affine, bool(pair.get("distances")))

    @property
    def content(self) -> dict[str, Any]:
        """What the datalist says."""
        content: dict[str, Any] = read_json(self._datalist)
        return content

    @property
    def names(self) -> dict[int, str]:
        """Name of each class index, in order."""
        return {int(index): str(name) for index, name in self.content["labels"].items()}

    @property
    def ignore(self) -> int | None:
        """Class of ``right`` that is not compared, or None."""
        found = self.content.get("ignore")
        return None if found is None else int(found)


class ScoreSheet(Sheet):
    """Dice of pairs of label files, per class and for the whole foreground, as :class:`Sheet` takes them.

    The rows of a case come first, in the order of the pairs; ``foreground`` comes last where there are several classes.
    Pairs of volumes that ask for ``distances`` get rows of the metrics ``hd95`` and ``assd`` in mm besides: ``inf``
    where one side lacks the class, ``nan`` where both do (:class:`atso_monai.metrics.SurfaceDistances`).
    After all of them, rows of the metric ``global_dsc``, whose ``case`` and ``fold`` are empty: all cases of a set as
    one volume (ATSO, section 5.1), for what was compared with the truth (metric ``dsc``).

    The table: the columns of the pairs, then ``label``, ``value`` (Dice in [0, 1], distances in mm).
    """

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table's rows."""
        pooled: dict[tuple[tuple[str, str], ...], Counts] = {}
        for pair in self.compared():
            counts = self._counts(pair)
            yield from self._rows(pair.columns, counts)
            yield from self._distances(pair) if pair.distances else ()
            if pair.columns.get("metric") == "dsc":
                joint = {"case": "", "fold": "", "metric": GLOBAL}
                whole = tuple((name, joint.get(name, text)) for name, text in pair.columns.items())
                pooled[whole] = pooled.get(whole, np.zeros_like(counts)) + counts
        for columns, counts in pooled.items():
            yield from self._rows(dict(columns), counts)

    def _counts(self, pair: Compared) -> Counts:
        """Voxels of each class, and of the foreground where there are several: (labels, 3)."""
        left, right = pair.left, pair.right
        if self.ignore is not None:
            left, right = left[right != self.ignore], right[right != self.ignore]
        classes = [index for index in self.names if index != 0]
        counts = class_counts(left, right, classes)
        return np.vstack([counts, foreground_counts(left, right)]) if len(classes) > 1 else counts

    def _distances(self, pair: Compared) -> Iterator[dict[str, Any]]:
        classes = {index: name for index, name in self.names.items() if index != 0}
        found = class_surface_distances(pair.left, pair.right, classes, pair.affine)
        named = {name: found[index] for index, name in classes.items()}
        if len(classes) > 1:
            named[FOREGROUND] = foreground_surface_distances(pair.left, pair.right, pair.affine)
        for metric in DISTANCES:
            for name, distances in named.items():
                value = f"{getattr(distances, metric):.6f}"
                yield {**pair.columns, "metric": metric, "label": name, "value": value}

    def _rows(self, columns: Mapping[str, str], counts: Counts) -> Iterator[dict[str, Any]]:
        names = [name for index, name in self.names.items() if index != 0]
        for name, row in zip([*names, FOREGROUND], counts, strict=False):
            yield {**columns, "label": name, "value": f"{dice_of(row):.6f}"}


def _frozen(label_map: Mapping[str, int] | None) -> tuple[tuple[int, int], ...]:
    """A map as a hashable value; background stays background unless the map says otherwise."""
    return tuple({0: 0, **{int(k): int(v) for k, v in label_map.items()}}.items()) if label_map else ()


def _labels(path: Path, label_map: tuple[tuple[int, int], ...]) -> tuple[Labels, npt.NDArray[np.float64]]:
    labels, affine = read_volume(path)
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int32)
    return np.asarray(MapLabels(dict(label_map))(labels)) if label_map else labels, affine
