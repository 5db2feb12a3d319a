"""What can be seen of a label volume without knowing the truth: volume and pieces of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import cc3d
import numpy as np

from atso_monai.review.read_run import read_labels

LEAST_SPREAD = math.log(1.25)
"""Volumes within 25% of each other are never called unusual: a handful of labelled cases tells no finer spread."""


@dataclass(frozen=True)
class Shape:
    """One class of one label volume.

    Attributes:
        millilitres: its volume.
        pieces: its 26-connected components.
        outside: share of its voxels outside the largest component, 0 to 1.
    """

    millilitres: float
    pieces: int
    outside: float


@dataclass(frozen=True)
class Expected:
    """How a class looks in the labelled set.

    Attributes:
        cases: number of labelled cases.
        present: how many of them have the class.
        centre: mean of the logarithm of the volume in ml, over those.
        spread: its standard deviation, at least :data:`LEAST_SPREAD`.
        smallest: smallest volume in ml.
        largest: largest volume in ml.
        pieces: most components.
        outside: largest share outside the largest component.
    """

    cases: int
    present: int
    centre: float = 0.0
    spread: float = LEAST_SPREAD
    smallest: float = 0.0
    largest: float = 0.0
    pieces: int = 0
    outside: float = 0.0


def shapes(path: Path, classes: Sequence[int], label_map: Mapping[int, int] | None = None) -> dict[int, Shape]:
    """Volume and pieces of each class of a label file.

    Raises:
        PrepareError: when the file cannot be read.
    """
    labels, affine = read_labels(path, label_map)
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    return {index: _shape(labels == index, voxel) for index in classes}


def _shape(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], millilitres: float) -> Shape:
    voxels = int(np.count_nonzero(mask))
    if not voxels:
        return Shape(0.0, 0, 0.0)
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    counts = np.bincount(np.asarray(cc3d.connected_components(mask[box], connectivity=26)).ravel())[1:]
    return Shape(voxels * millilitres, len(counts), 1 - int(counts.max()) / voxels)


def expected(found: Sequence[Shape]) -> Expected:
    """What the labelled cases say of one class."""
    there = [shape for shape in found if shape.millilitres > 0]
    if not there:
        return Expected(len(found), 0)
    logs = [math.log(shape.millilitres) for shape in there]
    spread = max(LEAST_SPREAD, stdev(logs)) if len(logs) > 1 else LEAST_SPREAD
    volumes = [shape.millilitres for shape in there]
    return Expected(
        len(found), len(there), fmean(logs), spread, min(volumes), max(volumes),
        max(shape.pieces for shape in there), max(shape.outside for shape in there),
    )  # fmt: skip
