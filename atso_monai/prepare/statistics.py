"""Numbers of a prepared image that normalisation needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Statistics:
    """Of all voxels of a prepared image that come from its file, padding left out; in the units of the file.

    Attributes:
        mean: arithmetic mean.
        std: population standard deviation.
        minimum: smallest value; also the value of padding.
        maximum: largest value.
    """

    mean: float
    std: float
    minimum: float
    maximum: float


def measure(array: npt.NDArray[Any]) -> Statistics:
    """Statistics of an array in float64, slice by slice so that no large copy is made."""
    mean = sum(float(part.sum(dtype=np.float64)) for part in array) / array.size
    square = sum(float(((part.astype(np.float64) - mean) ** 2).sum()) for part in array) / array.size
    return Statistics(mean, float(np.sqrt(square)), float(array.min()), float(array.max()))
