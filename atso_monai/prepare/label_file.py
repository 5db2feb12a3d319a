"""Predicted labels as NIfTI files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path
from atso_monai.prepare.placement import Placement


def write_label(path: str | os.PathLike[str], label: npt.NDArray[np.uint8], placement: Placement) -> None:
    """Write class indices on a case's own grid, with its own affine; the file appears at once and complete.

    The same label gives the same bytes, whenever and wherever it is written.

    Args:
        path: ends in ``.nii.gz`` or ``.nii``; its folder is made when missing.
        label: uint8 of shape ``placement.native_shape``, as :func:`labels_to_native` gives it.
        placement: of the case.

    Raises:
        PrepareError: when the shape does not fit, or the file cannot be written.
    """
    if label.shape != placement.native_shape:
        raise PrepareError(
            f"Cannot write {path}: the label must be on the case's own grid of {placement.native_shape} voxels. "
            f"Received: {label.shape}. Use labels_to_native first."
        )
    write_label_on(path, label, np.asarray(placement.native_affine))


def write_label_on(path: str | os.PathLike[str], label: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]) -> None:
    """:func:`write_label` for a label that comes with its affine (4x4, voxel index to RAS mm).

    Raises:
        PrepareError: when the file cannot be written.
    """
    import nibabel as nib

    image = nib.Nifti1Image(label.astype(np.uint8, copy=False), affine)
    image.set_sform(image.affine, code="scanner")
    image.set_qform(image.affine, code="scanner")
    image.header.set_xyzt_units("mm")
    try:
        with atomic_path(Path(path)) as temporary:
            image.to_filename(temporary)
    except OSError as error:
        raise PrepareError(
            f"Cannot write {path} ({error.strerror or error}). Free some space and run again."
        ) from error
