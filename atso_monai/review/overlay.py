"""A case as a picture: truth and prediction on the scan, in three views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
RED, GREEN, YELLOW = (230, 40, 40), (40, 200, 70), (245, 220, 50)
AGAINST_TRUTH = {1: RED, 2: GREEN, 3: YELLOW}
"""Colour of each value of :func:`against_truth`."""
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
        both = against_truth(true, predicted)
        views = [
            draw_view(scan, both, AGAINST_TRUTH, spacing, axis, busiest_slice(true, axis), window, height)
            for axis in (2, 1, 0)
        ]
        rows.append(_titled(np.concatenate(views, axis=1), title))
    with atomic_path(to) as temporary:
        Image.fromarray(np.concatenate(rows, axis=0)).save(temporary)


def _canonical(path: Path) -> tuple[npt.NDArray[Any], tuple[float, ...]]:
    return canonical(*read_volume(path))


def canonical(array: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], tuple[float, ...]]:
    """A volume with RAS axes, and its spacing in mm."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(turned.dataobj), tuple(float(v) for v in voxel_sizes(turned.affine))


def busiest_slice(mask: npt.NDArray[Any], axis: int) -> int:
    """The slice with most voxels that are not 0; the middle one where there are none."""
    counts = np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != axis))
    return int(counts.argmax()) if counts.any() else len(counts) // 2


def against_truth(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """1 where there is truth alone, 2 where there is prediction alone, 3 where there are both, else 0."""
    return np.asarray((truth != 0) + 2 * (predicted != 0), dtype=np.uint8)


def draw_view(
    scan: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    colours: Mapping[int, Colour],
    spacing: Sequence[float],
    axis: int,
    index: int,
    window: tuple[float, float],
    height: int,
    opacity: float = OPACITY,
) -> npt.NDArray[np.uint8]:
    """One slice as (height, W, 3), square millimetres; the patient's right at the left, head or front at the top.

    Args:
        scan: (X, Y, Z) with RAS axes.
        labels: whole numbers (X, Y, Z) on the scan's grid, 0 for what is not painted.
        colours: of each other number.
        spacing: of the axes, in mm.
        axis: which axis is cut.
        index: where.
        window: values shown as black and as white.
        height: of the picture, in pixels.
        opacity: of the colours, 0 to 1.
    """
    others = tuple(a for a in range(3) if a != axis)
    at = (slice(None),) * axis + (index,)  # np.take would copy the whole volume first
    grey, shown = scan[at], labels[at]
    low, high = window
    shades = np.clip((grey.astype(np.float32) - low) / (high - low), 0, 1) * 255
    painted = np.repeat(shades[..., None], 3, axis=2)
    for value, colour in colours.items():
        mask = shown == value
        painted[mask] = (1 - opacity) * painted[mask] + opacity * np.array(colour, dtype=np.float32)
    # rows run from head to feet (or from front to back), columns from the patient's right to left (or front to back)
    upright = painted[:, ::-1].transpose(1, 0, 2)
    upright = upright[:, ::-1]
    width_mm, height_mm = (n * spacing[a] for n, a in zip(grey.shape, others, strict=True))
    size = (max(1, round(height * width_mm / height_mm)), height)
    return np.asarray(Image.fromarray(upright.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR))


def _titled(row: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    picture = Image.fromarray(row)
    ImageDraw.Draw(picture).text((6, 4), title, fill=(255, 255, 255))
    return np.asarray(picture)
