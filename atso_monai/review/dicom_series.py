"""A DICOM series as a grid: its headers in slice order, and where voxels lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from atso_monai.errors import PrepareError
from atso_monai.review.labels import RAS_TO_LPS, Affine, Grid, Label, require_grid

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


def read_series(folder: Path) -> tuple[list[Dataset], Affine]:
    """Headers of the one series in a folder (no pixels) by position, and its affine.

    Returns:
        The datasets, one per slice, and the affine (4x4, RAS mm) of an array (columns, rows, slices).

    Raises:
        PrepareError: when the folder holds no or several series, of enhanced images, without identifiers, or with
            slices that are missing, tilted or unevenly spaced.
    """
    datasets = [d for path in sorted(folder.iterdir()) if path.is_file() and (d := _header(path)) is not None]
    if not datasets:
        raise PrepareError(f"There is no DICOM image in {folder}.")
    _require_plain(datasets, folder)
    across = np.cross(*_directions(datasets[0]))
    datasets.sort(key=lambda d: float(np.dot(across, d.ImagePositionPatient)))
    return datasets, _affine(datasets, folder)


def _header(path: Path) -> Dataset | None:
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, EOFError):
        return None
    return dataset if "Rows" in dataset else None


def _require_plain(datasets: Sequence[Dataset], folder: Path) -> None:
    if "PerFrameFunctionalGroupsSequence" in datasets[0] or "NumberOfFrames" in datasets[0]:
        raise PrepareError(f"The images in {folder} have several frames; only series of single slices are supported.")
    for name in (*_UIDS, *_PLACE):
        missing = sum(not getattr(d, name, None) for d in datasets)
        if missing:
            raise PrepareError(
                f"{missing} of {len(datasets)} images in {folder} have no {name}. A segmentation refers to its images "
                "by these: take the series as it came from the scanner, or anonymise it with new identifiers."
            )
    series = {d.SeriesInstanceUID for d in datasets}
    if len(series) > 1:
        raise PrepareError(f"There are {len(series)} series in {folder}. Give each its own folder.")


def _directions(dataset: Dataset) -> tuple[Affine, Affine]:
    """Unit vectors (LPS) along which the column index and the row index grow."""
    cosines = np.array([float(v) for v in dataset.ImageOrientationPatient])
    return cosines[:3], cosines[3:]


def _affine(datasets: Sequence[Dataset], folder: Path) -> Affine:
    """DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, with the step between slices as third column."""
    first = datasets[0]
    columns, rows = _directions(first)
    between_rows, between_columns = (float(v) for v in first.PixelSpacing)
    places = np.array([[float(v) for v in d.ImagePositionPatient] for d in datasets])
    if len(datasets) > 1:
        step = (places[-1] - places[0]) / (len(datasets) - 1)
    else:
        step = np.cross(columns, rows) * float(getattr(first, "SliceThickness", None) or 1)
    expected = places[0] + np.arange(len(datasets))[:, None] * step
    apart = float(np.abs(expected - places).max())
    same = all(
        np.allclose(np.concatenate(_directions(d)), np.concatenate((columns, rows)), atol=1e-4)
        and d.Rows == first.Rows
        and d.Columns == first.Columns
        for d in datasets
    )
    length = float(np.linalg.norm(step))
    if not same or length == 0 or apart > 0.1 * length:
        raise PrepareError(
            f"The {len(datasets)} slices in {folder} do not make one grid (a slice lies {apart:.3g} mm off, the step "
            f"is {length:.3g} mm): slices may be missing, doubled, or of two scans."
        )
    affine = np.eye(4)
    affine[:3] = np.stack([columns * between_columns, rows * between_rows, step, places[0]], axis=1)
    return RAS_TO_LPS @ affine


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
