"""A case as a picture: truth and prediction on the scan, in three views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import voxel_sizes
from PIL import Image, ImageDraw

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path
from atso_monai.volume_file import read_volume

RED, GREEN, YELLOW = (230, 40, 40), (40, 200, 70), (245, 220, 50)
OPACITY = 0.45


def draw_overlay(
    image: Path,
    truth: Path,
    predictions: Sequence[tuple[str, Path]],
    to: Path,
    window: tuple[float, float],
    height: int = 260,
) -> None:
    """One row per prediction, one column per view: truth red, prediction green, overlap yellow (ATSO, figure 2).

    Each view shows the slice with most truth, in radiological convention: the patient's right at the left.

    Args:
        image: the scan.
        truth: its true label; values above 0 are drawn alike.
        predictions: (title, label file) of each row.
        to: the PNG file to write.
        window: values shown as black and as white.
        height: of a row, in pixels.

    Raises:
        PrepareError: when a label is not on the image's grid, or the truth is empty.
    """
    scan, spacing = _canonical(image)
    true = _canonical(truth)[0] > 0
    if not true.any():
        raise PrepareError(f"{truth} is empty, so there is nothing to draw.")
    rows = []
    for title, file in predictions:
        predicted = _canonical(file)[0] > 0
        if not predicted.shape == true.shape == scan.shape:
            raise PrepareError(f"{file} has shape {predicted.shape}, the image {scan.shape}: not the same grid.")
        views = [_view(scan, true, predicted, spacing, axis, window, height) for axis in (2, 1, 0)]
        rows.append(_titled(np.concatenate(views, axis=1), title))
    with atomic_path(to) as temporary:
        Image.fromarray(np.concatenate(rows, axis=0)).save(temporary)


def _canonical(path: Path) -> tuple[npt.NDArray[Any], tuple[float, ...]]:
    """A volume with RAS axes, and its spacing in mm."""
    array, affine = read_volume(path)
    turned = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(turned.dataobj), tuple(float(v) for v in voxel_sizes(turned.affine))


def _view(
    scan: npt.NDArray[Any],
    truth: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    spacing: Sequence[float],
    axis: int,
    window: tuple[float, float],
    height: int,
) -> npt.NDArray[np.uint8]:
    """One slice as (height, W, 3), square millimetres."""
    others = tuple(a for a in range(3) if a != axis)
    index = int(truth.sum(axis=others).argmax())
    at = (slice(None),) * axis + (index,)  # np.take would copy the whole volume first
    grey, t, p = (volume[at] for volume in (scan, truth, predicted))
    low, high = window
    shades = np.clip((grey.astype(np.float32) - low) / (high - low), 0, 1) * 255
    colours = np.repeat(shades[..., None], 3, axis=2)
    for mask, colour in ((t & ~p, RED), (p & ~t, GREEN), (t & p, YELLOW)):
        colours[mask] = (1 - OPACITY) * colours[mask] + OPACITY * np.array(colour, dtype=np.float32)
    # rows run from head to feet (or from front to back), columns from the patient's right to left (or front to back)
    upright = colours[:, ::-1].transpose(1, 0, 2)
    upright = upright[:, ::-1]
    width_mm, height_mm = (n * spacing[a] for n, a in zip(grey.shape, others, strict=True))
    size = (max(1, round(height * width_mm / height_mm)), height)
    return np.asarray(Image.fromarray(upright.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR))


def _titled(row: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    picture = Image.fromarray(row)
    ImageDraw.Draw(picture).text((6, 4), title, fill=(255, 255, 255))
    return np.asarray(picture)
