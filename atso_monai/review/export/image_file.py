"""The scan beside its exported labels: as NIfTI, where 3D Slicer sees it at the same place as this project does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import numpy.typing as npt

from atso_monai.cohort.geometry import corner_distance
from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path
from atso_monai.review.export.labels import RAS_TO_LPS, TOLERANCE, Affine

CT_BELOW = -200
"""Scans with values below are taken for CT, in Hounsfield units; others for MR."""
SOFT_TISSUE = (-160.0, 240.0)
"""Window of abdominal CT: width 400, level 40 HU."""

_STORABLE = ("uint8", "int8", "int16", "uint16", "int32", "float32")


def place_image(source: Path, array: npt.NDArray[Any], affine: Affine, folder: Path, stem: str, copy: bool) -> Path:
    """Put a scan into a folder as NIfTI.

    A NIfTI file that ITK (and so 3D Slicer) reads as nibabel does is hard-linked, or copied with ``copy`` or where the
    file system has no links. All other scans are written anew, with one geometry in the header.

    Args:
        source: file or DICOM folder of the scan.
        array: its voxels, (X, Y, Z).
        affine: 4x4, voxel to RAS mm.
        folder: an existing folder.
        stem: file name without suffix.
        copy: never link.

    Returns:
        The file.

    Raises:
        PrepareError: when ITK cannot see the scan where it is, e.g. since its axes are not at right angles.
    """
    name = source.name.lower()
    suffix = next((s for s in (".nii.gz", ".nii") if name.endswith(s)), "")
    if suffix and source.is_file() and _seen_alike(source, array.shape, affine):
        target = folder / f"{stem}{suffix}"
        _link(source, target) if not copy else shutil.copyfile(source, target)
        return target
    target = folder / f"{stem}.nii.gz"
    _write(array, affine, target)
    if not _seen_alike(target, array.shape, affine):
        raise PrepareError(
            f"{source} has axes that are not at right angles, which 3D Slicer and other ITK programs cannot show. "
            "Resample it, or export with --format nifti."
        )
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)


def _write(array: npt.NDArray[Any], affine: Affine, target: Path) -> None:
    kept = array if array.dtype.name in _STORABLE else array.astype(np.float32)
    image = nib.Nifti1Image(kept, affine, dtype=kept.dtype)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with atomic_path(target) as temporary:
        nib.save(image, temporary)


def _seen_alike(path: Path, shape: tuple[int, ...], affine: Affine) -> bool:
    """Whether ITK reads shape and affine of a NIfTI header as given: where sform and qform differ, it may not."""
    try:
        reader = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
    except (RuntimeError, AttributeError):  # what it cannot show it refuses, or finds no reader for
        return False
    if tuple(reader.GetDimensions(axis) for axis in range(3)) != shape:
        return False
    seen = np.eye(4)
    for axis in range(3):
        seen[:3, axis] = np.array(reader.GetDirection(axis))[:3] * reader.GetSpacing(axis)
        seen[axis, 3] = reader.GetOrigin(axis)
    smallest = float(np.linalg.norm(affine[:3, :3], axis=0).min())
    return corner_distance(RAS_TO_LPS @ seen, affine, shape) <= TOLERANCE * smallest


def window(array: npt.NDArray[Any]) -> tuple[float, float]:
    """Values to show as black and as white: soft tissue in CT, the 1st to 99th percentile of all others."""
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if finite.size == 0:
        return 0.0, 1.0
    if finite.min() < CT_BELOW:
        return SOFT_TISSUE
    low, high = (float(v) for v in np.percentile(finite, (1, 99)))
    return (low, high) if high > low else (low, low + 1.0)
