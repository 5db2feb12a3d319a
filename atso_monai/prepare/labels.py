"""Label files as class indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import PrepareError

LabelMap = Mapping[int, int] | Mapping[str, int]


def class_of_value(values: Sequence[int] | None, label_map: LabelMap | None) -> dict[int, int]:
    """Class index of each value that a label file holds.

    Args:
        values: the distinct values of the file, None when they are not integers or more than 256.
        label_map: class index of each value, keys as numbers or text; 0 stays 0 where it is not named. None keeps all.

    Raises:
        PrepareError: when a value has no class from 0 to 255.
    """
    if values is None:
        raise PrepareError("it is no label file: its values are not integers, or more than 256 different ones.")
    known = {v: v for v in values} if label_map is None else {0: 0} | {int(k): int(v) for k, v in label_map.items()}
    wrong = sorted(v for v in values if not 0 <= known.get(v, -1) <= 255)
    if wrong:
        found = f"it holds {', '.join(map(str, wrong))}"
        if label_map is None:
            raise PrepareError(f"{found}, and class indices go from 0 to 255. Give a label_map.")
        raise PrepareError(f"{found}, which label_map {dict(label_map)} does not give a class from 0 to 255.")
    return {v: known[v] for v in values}


def map_labels(array: npt.NDArray[Any], classes: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """A new uint8 array in which each value has become its class; ``classes`` names all values that occur."""
    if all(value == index for value, index in classes.items()):
        return array.astype(np.uint8)
    out = np.empty_like(array, dtype=np.uint8)
    values = np.array(sorted(classes))
    indices = np.array([classes[int(v)] for v in values], dtype=np.uint8)
    for source, target in zip(array.T, out.T, strict=True):
        target[...] = indices[np.searchsorted(values, source)]
    return out
