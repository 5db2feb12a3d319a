"""Distances between the surfaces of label volumes, in millimetres."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects
from scipy.spatial import KDTree

Labels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Affine = npt.NDArray[np.float64]
Box = tuple[slice, ...]

LEAF = 32
"""Points in a leaf of the search tree: it is built for one query, so a coarse tree is the faster one."""


@dataclass(frozen=True)
class SurfaceDistances:
    """How far two surfaces are apart, in mm; smaller is better.

    Without a surface there is no distance: both numbers are NaN where both volumes are empty, infinite where one is.

    Attributes:
        hd95: 95th percentile Hausdorff distance: the larger one of the two directions' 95th percentiles.
        assd: average symmetric surface distance: the mean over the surface voxels of both sides.
    """

    hd95: float
    assd: float


def surface_distances(prediction: Mask, truth: Mask, affine: Affine) -> SurfaceDistances:
    """Distances of two volumes' surfaces.

    The surface is made of the voxels that have a face in common with the outside; what lies at the edge of the volume
    is surface as well. Distances are those of voxel centres in the world, so voxels of any shape, turned or sheared,
    are measured right.

    Source: Maier-Hein et al., Metrics reloaded, Nature Methods 2024 (HD95, ASSD); as :mod:`monai.metrics` defines them.

    Args:
        prediction: bool, (X, Y, Z).
        truth: the same, of the same shape.
        affine: 4x4, voxel indices to mm.

    Raises:
        ValueError: when the shapes differ or have not three axes.
    """
    _require_volumes(prediction, truth)
    if not prediction.any() or not truth.any():
        none = float("inf") if prediction.any() or truth.any() else float("nan")
        return SurfaceDistances(none, none)
    one, other = _surface(prediction, affine), _surface(truth, affine)
    there, back = _nearest(one, other), _nearest(other, one)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return SurfaceDistances(float(hd95), float((there.sum() + back.sum()) / (len(there) + len(back))))


def class_surface_distances(
    prediction: Labels, truth: Labels, classes: Iterable[int], affine: Affine
) -> dict[int, SurfaceDistances]:
    """:func:`surface_distances` of each class, each within the box that holds it on both sides.

    Args:
        prediction: class indices of an integer dtype, (X, Y, Z).
        truth: the same, of the same shape.
        classes: the class indices to measure, from 1.
        affine: 4x4, voxel indices to mm.

    Raises:
        ValueError: when the shapes differ or have not three axes.
    """
    _require_volumes(prediction, truth)
    classes = list(classes)
    boxes = [_boxes(labels, max(classes, default=1)) for labels in (prediction, truth)]
    found = {}
    for value in classes:
        box = _union(own[value - 1] for own in boxes)
        found[value] = surface_distances(prediction[box] == value, truth[box] == value, affine)
    return found


def foreground_surface_distances(prediction: Labels, truth: Labels, affine: Affine) -> SurfaceDistances:
    """:func:`class_surface_distances` of the union of all classes but 0."""
    one, other = ((labels != 0).view(np.uint8) for labels in (prediction, truth))
    return class_surface_distances(one, other, [1], affine)[1]


def _require_volumes(prediction: Labels, truth: Labels) -> None:
    if prediction.shape != truth.shape or prediction.ndim != 3:
        raise ValueError(
            "prediction and truth must be volumes (X, Y, Z) of one shape. "
            f"Received: {prediction.shape} and {truth.shape}."
        )


def _boxes(labels: Labels, last: int) -> list[Box | None]:
    """The box around each class from 1 to ``last``, read along the axis that is fastest in memory: 8 times faster."""
    if not labels.flags.f_contiguous:
        return list(find_objects(labels, last))
    return [box and box[::-1] for box in find_objects(labels.T, last)]


def _union(boxes: Iterable[Box | None]) -> Box:
    """The box around some boxes; an empty one around none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return (slice(0, 0),) * 3
    return tuple(slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*known, strict=True))


def _surface(mask: Mask, affine: Affine) -> Affine:
    """Centres of the surface voxels in mm, but for the origin: (voxels, 3)."""
    padded, inside = np.pad(mask, 1), mask.copy()
    for axis in range(3):
        for start in (0, 2):  # each voxel's neighbour before and behind it
            part = [slice(1, -1)] * 3
            part[axis] = slice(start, start + mask.shape[axis])
            inside &= padded[tuple(part)]
    return np.argwhere(mask & ~inside) @ affine[:3, :3].T


def _nearest(points: Affine, others: Affine) -> npt.NDArray[np.float64]:
    """Distance of each point to the nearest of the others, in mm."""
    found: npt.NDArray[np.float64] = KDTree(others, leafsize=LEAF).query(points)[0]
    return found
