"""The headers of a DICOM series, in the order and on the grid in which its voxels are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from atso_monai.errors import PrepareError
from atso_monai.files import read_json
from atso_monai.review.export.labels import RAS_TO_LPS, Affine, Grid, Label, require_grid
from atso_monai.volume_file import case_id, read_volume

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
)  # fmt: skip
"""Of type 2 in DICOM (PS3.3 C.7.1.1, C.7.2.1): there, but perhaps without a value."""
_OFF_MM = 0.1
"""How far the position of a header may lie from that of its slice: positions are rounded in some files."""


def read_series(folder: Path) -> tuple[list[Dataset], Grid]:
    """Headers of the one series in a folder (no pixels), one per slice, and its grid (columns, rows, slices).

    The grid is that of :func:`atso_monai.volume_file.read_volume`, which refuses what is no regular stack of slices.

    Raises:
        PrepareError: when the folder holds no series that can be read, or one without the identifiers that a
            segmentation refers to.
    """
    datasets = headers(folder)
    array, affine = read_volume(folder)
    lps, slices = RAS_TO_LPS @ affine, array.shape[2]
    datasets.sort(key=lambda d: float(np.dot(lps[:3, 2], _position(d))))
    places = lps[:3, 3] + np.arange(slices)[:, None] * lps[:3, 2]
    if len(datasets) != slices or np.abs(places - [_position(d) for d in datasets]).max() > _OFF_MM:
        raise PrepareError(f"The {len(datasets)} DICOM images in {folder} are not its {slices} slices.")
    _complete(datasets, float(np.linalg.norm(affine[:3, 2])))
    return datasets, (array.shape, affine)


def _complete(datasets: Sequence[Dataset], thickness: float) -> None:
    """Add what anonymisers and converters take away and a segmentation must copy: emptily, and in memory alone."""
    for dataset in datasets:
        for name in _MAY_BE_EMPTY:
            if name not in dataset:
                setattr(dataset, name, None)
        if not dataset.get("SliceThickness"):
            dataset.SliceThickness = thickness


def headers(folder: Path) -> list[Dataset]:
    """Headers of the images in a folder (no pixels), in the order of their files.

    Raises:
        PrepareError: when one is without the identifiers that a segmentation refers to.
    """
    datasets = [d for path in sorted(folder.iterdir()) if path.is_file() and (d := _header(path)) is not None]
    _require_identifiers(datasets, folder)
    return datasets


def _header(path: Path) -> Dataset | None:
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, EOFError):
        return None
    return dataset if "Rows" in dataset else None


def _position(dataset: Dataset) -> Affine:
    return np.array([float(v) for v in dataset.ImagePositionPatient])


def _require_identifiers(datasets: Sequence[Dataset], folder: Path) -> None:
    for name in _UIDS:
        if missing := sum(not getattr(d, name, None) for d in datasets):
            raise PrepareError(
                f"{missing} of {len(datasets)} images in {folder} have no {name}. A segmentation refers to its images "
                "by these: take the series as it came from the scanner, or anonymise it with new identifiers."
            )


def on_series(path: Path, label: Label, affine: Affine, folder: Path, grid: Grid) -> Label:
    """A label in the axes of its series: flipped and permuted, never resampled.

    Args:
        path: of the label, for messages.
        label: class indices.
        affine: of the label, 4x4, RAS mm.
        folder: of the series, for messages.
        grid: of the series: (columns, rows, slices) and affine.

    Returns:
        The label as (columns, rows, slices).

    Raises:
        PrepareError: when it does not lie on the grid of the series.
    """
    turn = nib.orientations.io_orientation(np.linalg.inv(grid[1]) @ affine)
    if np.isnan(turn).any():
        raise PrepareError(f"{path} cannot be turned to the axes of the series in {folder}.")
    turned = nib.orientations.apply_orientation(label, turn)
    moved = affine @ nib.orientations.inv_ornt_aff(turn, label.shape)
    require_grid(path, (turned.shape, moved), folder, grid)
    return np.ascontiguousarray(turned)


def source_series(image: Path) -> Path | None:
    """The folder of the DICOM series that an image is, or was converted from (``atso prepare``); None for others.

    A converted image lies in ``images/`` with a record in ``records/`` beside it that names the series.
    """
    if image.is_dir():
        return image
    try:
        series = Path(read_json(image.parents[1] / "records" / f"{case_id(image)}.json")["series"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return series if series.is_dir() else None
