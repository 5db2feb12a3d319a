"""Whether an image and its label lie on the same grid, and the repair where only the header says they do not."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import CohortError
from atso_monai.files import atomic_path
from atso_monai.volume_file import read_volume


def corner_distance(first: npt.ArrayLike, second: npt.ArrayLike, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between where two affines (4x4, RAS mm) put the corner voxels of a (X, Y, Z) volume.

    Both maps are affine, so no voxel lies further apart than the worst corner.
    """
    corners = np.array([[*index, 1] for index in itertools.product(*[(0, max(n - 1, 0)) for n in shape])])
    apart = corners @ (np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).T
    return float(np.linalg.norm(apart[:, :3], axis=1).max())


def in_order_of(
    shape: tuple[int, ...], affine: npt.ArrayLike, image_affine: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], tuple[int, ...], npt.NDArray[np.float64]]:
    """How a (X, Y, Z) volume would be stored in the axis order and directions of an image.

    Returns:
        nibabel's transform of the axes (3, 2), and the shape and affine (4x4, RAS mm) after it: the same voxels at the
        same places.
    """
    from nibabel import orientations

    transform = orientations.ornt_transform(
        orientations.io_orientation(np.asarray(affine)), orientations.io_orientation(np.asarray(image_affine))
    )
    turned = [0] * 3
    for stored, (axis, _) in enumerate(transform):
        turned[int(axis)] = shape[stored]
    return transform, tuple(turned), np.asarray(affine) @ orientations.inv_ornt_aff(transform, shape)


def reorder_label(image: str | Path, label: str | Path, to: str | Path) -> Path:
    """Write a copy of ``label`` whose axes run as those of ``image``; every voxel stays where it is in the patient.

    For labels on the image's grid that were stored in another order, such as LAS beside a DICOM series in LPS.

    Args:
        image: volume file, or a folder of a DICOM series.
        label: volume file on the same grid.
        to: file to write (``.nii`` or ``.nii.gz``); it must not exist.

    Returns:
        The path of the copy.

    Raises:
        CohortError: when ``to`` exists, cannot be written, or its name ends otherwise.
        PrepareError: when ``image`` or ``label`` cannot be read.
    """
    from nibabel.orientations import apply_orientation

    target = _new_nifti(to)
    _, image_affine = read_volume(image)
    voxels, affine = read_volume(label)
    transform, _, turned = in_order_of(voxels.shape, affine, image_affine)
    _write_nifti(np.ascontiguousarray(apply_orientation(voxels, transform)), turned, target)
    return target


def copy_geometry(image: str | Path, label: str | Path, to: str | Path) -> Path:
    """Write a copy of ``label`` that has the affine of ``image``: for labels whose header alone is wrong.

    Look at image and label in a viewer first: the voxels stay as they are, so a label that is really mirrored or
    shifted stays wrong, and looks right to every check. Neither ``image`` nor ``label`` is touched.

    Args:
        image: volume file with the right affine.
        label: volume file of the same shape.
        to: file to write (``.nii`` or ``.nii.gz``); it must not exist.

    Returns:
        The path of the copy.

    Raises:
        CohortError: when the shapes differ, ``to`` exists, cannot be written, or its name ends otherwise.
        PrepareError: when ``image`` or ``label`` cannot be read.
    """
    target = _new_nifti(to)
    voxels, affine = _matching(Path(image), Path(label))
    _write_nifti(voxels, affine, target)
    return target


def _new_nifti(to: str | Path) -> Path:
    target = Path(to)
    if not target.name.lower().endswith((".nii", ".nii.gz")):
        raise CohortError(
            f"The corrected copy is written as NIfTI: its name must end in .nii or .nii.gz. Received: {to}."
        )
    if os.path.lexists(target):
        raise CohortError(f"Will not write over {target}. Give the name of a new file.")
    return target


def _matching(image: Path, label: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Voxels of ``label`` and affine of ``image``."""
    scan, affine = read_volume(image)
    voxels, _ = read_volume(label)
    if scan.shape != voxels.shape:
        raise CohortError(
            f"Not a matter of the header: {image} has shape {scan.shape}, {label} has shape {voxels.shape}. "
            "Find the label that belongs to this image, or resample it."
        )
    return voxels, affine


def _write_nifti(voxels: npt.NDArray[Any], affine: npt.NDArray[np.float64], target: Path) -> None:
    import nibabel as nib

    kept = voxels.astype(np.uint8) if voxels.dtype == bool else voxels
    nifti = nib.Nifti1Image(kept, affine, dtype=kept.dtype)
    try:
        with atomic_path(target) as temporary:
            nib.save(nifti, temporary)
    except OSError as error:
        raise CohortError(f"Cannot write {target}: {error.strerror or error}. Choose another folder.") from error
