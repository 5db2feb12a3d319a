"""Labels of a run as arrays, checked against what they claim to be."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atso_monai.cohort.geometry import corner_distance
from atso_monai.errors import PrepareError
from atso_monai.volume_file import read_volume

Label = npt.NDArray[np.uint8]
Affine = npt.NDArray[np.float64]

Grid = tuple[tuple[int, ...], Affine]
"""Shape and affine (4x4, voxel to RAS mm)."""

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

TOLERANCE = 0.01
"""How far, in voxels, a label may lie off the grid it is meant for: headers hold 32-bit numbers."""


def read_label(path: Path, classes: Container[int]) -> tuple[Label, Affine]:
    """A label file as class indices (X, Y, Z) and its affine (4x4, RAS mm).

    Raises:
        PrepareError: when it cannot be read, or has a value that is no class.
    """
    array, affine = read_volume(path)
    if strange := [float(value) for value in np.unique(array) if value and value not in classes]:
        raise PrepareError(f"{path} has the values {strange[:5]}, which are no classes of its run.")
    return array.astype(np.uint8), affine


def require_grid(path: Path, own: Grid, of: Path, other: Grid) -> None:
    """Raise PrepareError unless the file ``path``, on the grid ``own``, lies on that of the file ``of``."""
    (shape, affine), (grid, to) = own, other
    if shape != grid:
        raise PrepareError(f"{path} has shape {shape}, {of} has shape {grid}: not the same grid.")
    apart = corner_distance(affine, to, shape)
    smallest = float(np.linalg.norm(to[:3, :3], axis=0).min())
    if apart > TOLERANCE * smallest:
        raise PrepareError(f"{path} lies up to {apart:.3g} mm off the grid of {of}: the one does not fit the other.")
