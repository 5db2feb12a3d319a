"""Intersection over union of label files: of each case, of each fold, and of whole sets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from atso_monai.files import write_text
from atso_monai.metrics.confusion import Matrix, class_iou, confusion_matrix, mean_iou
from atso_monai.metrics.sheet import Sheet

MEAN = "mean"
METRIC = "iou"


class IouSheet(Sheet):
    """Class-wise and mean IoU from confusion matrices, as :class:`Sheet` takes the pairs.

    The rows of a case come first; after all of them, rows whose ``case`` is empty are those of all pixels of a fold
    together and, with ``fold`` empty as well, of the whole set: what tables 3 and 7 of the paper print. The metric
    ``dsc`` (against the truth) becomes ``iou``. Classes that neither side has get no row and play no part in ``mean``.
    Beside the table, a JSON file of the same name with ``.matrices.json`` holds the confusion matrices.

    The table: the columns of the pairs, then ``label``, ``value`` (IoU in [0, 1]).
    """

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table's rows; ``mean`` is the last label of each matrix."""
        for columns, matrix in self.matrices():
            yield from _rows(columns, matrix, list(self.names.values()))

    def write(self) -> None:
        """Compare all pairs and write table and matrices, each in one step."""
        matrices = list(self.matrices())
        names = list(self.names.values())
        content = [{"columns": columns, "matrix": matrix.tolist()} for columns, matrix in matrices]
        text = ",\n".join(json.dumps(entry) for entry in content)
        head = json.dumps({"classes": names, "rows": "right (truth)", "columns": "left (prediction)"})
        write_text(self._output.with_suffix(".matrices.json"), f'{head[:-1]}, "matrices": [\n{text}\n]}}\n')
        self.write_rows([row for columns, matrix in matrices for row in _rows(columns, matrix, names)])

    def matrices(self) -> Iterator[tuple[dict[str, str], Matrix]]:
        """Columns and confusion matrix (row = ``right``, column = ``left``) of each case, then of folds and sets."""
        names, ignore = self.names, self.ignore
        pooled: dict[tuple[tuple[str, str], ...], Matrix] = {}
        for pair in self.compared():
            matrix = confusion_matrix(pair.left, pair.right, len(names), ignore)
            columns = {**pair.columns}
            if columns.get("metric") == "dsc":
                columns["metric"] = METRIC
            yield columns, matrix
            for wider in _wider(columns):
                pooled[wider] = pooled.get(wider, np.zeros_like(matrix)) + matrix
        yield from ((dict(columns), matrix) for columns, matrix in pooled.items())


def _wider(columns: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], ...]]:
    """The groups that a case counts in: its fold, and its set."""
    fold = {**columns, "case": ""}
    yield tuple(fold.items())
    if fold.get("fold"):
        yield tuple({**fold, "fold": ""}.items())


def _rows(columns: Mapping[str, str], matrix: Matrix, names: list[str]) -> Iterator[dict[str, Any]]:
    for name, value in zip([*names, MEAN], [*class_iou(matrix), mean_iou(matrix)], strict=True):
        if not math.isnan(value):
            yield {**columns, "label": name, "value": f"{value:.6f}"}
