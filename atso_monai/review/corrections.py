"""Corrected labels as people save them: NIfTI, MHA or NRRD in class indices, or segmentations of 3D Slicer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.cohort.checks import TOLERANCE_MM
from atso_monai.cohort.geometry import corner_distance
from atso_monai.errors import AtsoError
from atso_monai.volume_file import SUFFIXES, Array, case_id, inspect_volume, read_volume

SEGMENTATION = ".seg.nrrd"


class CorrectionError(AtsoError):
    """A corrected label cannot be used; the message names the file."""


@dataclass(frozen=True)
class Correction:
    """A corrected label on its image's grid.

    Attributes:
        labels: class indices (X, Y, Z), uint8, with the axes of the image file.
        affine: of the image, 4x4, RAS mm.
        ignored: segments of the file that are no class, without those that exports add.
    """

    labels: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]
    ignored: tuple[str, ...] = ()


def correction_id(path: Path) -> str:
    """The case that a file of corrected labels is named after: ``liver.v2.seg.nrrd`` gives ``liver.v2``."""
    return path.name[: -len(SEGMENTATION)] if path.name.lower().endswith(SEGMENTATION) else case_id(path)


def correction_files(folder: Path) -> dict[str, Path]:
    """The label files of a folder by case id.

    Raises:
        CorrectionError: when there is none, or two are named after one case.
    """
    if not folder.is_dir():
        raise CorrectionError(f"{folder} is no folder. Give the folder that holds the corrected labels.")
    files = sorted(f for f in folder.iterdir() if f.name.lower().endswith(SUFFIXES) and not f.name.startswith("."))
    if not files:
        raise CorrectionError(f"There is no label file in {folder} ({SEGMENTATION}, {', '.join(SUFFIXES)}).")
    found: dict[str, Path] = {}
    for file in files:
        if (other := found.setdefault(correction_id(file), file)) is not file:
            raise CorrectionError(f"{file} and {other} are named after one case. Keep the one that is meant.")
    return found


def read_correction(path: Path, image: Path, classes: Mapping[int, str]) -> Correction:
    """Read a corrected label and lay it on the grid of its image, whatever axis order it was saved in.

    A Slicer segmentation may hold further segments, which are left out, and may be cropped; its segments are matched
    with the classes by name. Other files hold class indices and cover the whole image.

    Args:
        path: the label.
        image: the scan that it belongs to.
        classes: name of each class index; 0 is the background.

    Raises:
        CorrectionError: when geometry, values or segments do not fit.
        PrepareError: when a file cannot be read.
    """
    facts = inspect_volume(image)
    grid = np.asarray(facts.affine, dtype=np.float64)
    if _is_segmentation(path):
        labels, affine, ignored = _segmentation(path, classes)
        return Correction(on_grid(labels, affine, facts.shape, grid, path, whole=False), grid, ignored)
    labels, affine = read_volume(path)
    return Correction(on_grid(_indices(labels, path, classes), affine, facts.shape, grid, path, whole=True), grid)


def _indices(labels: Array, path: Path, classes: Mapping[int, str]) -> npt.NDArray[np.uint8]:
    if labels.ndim != 3:
        raise CorrectionError(f"{path} is no 3D volume: its shape is {labels.shape}.")
    found = np.unique(labels)
    if not set(found.tolist()) <= {0, *classes}:
        shown = ", ".join(f"{value:g}" for value in found[:10])
        known = ", ".join(f"{index} {name}" for index, name in sorted(classes.items()))
        raise CorrectionError(
            f"{path} holds the values {shown}; corrected labels hold class indices, as pseudo_labels/ does: {known}."
        )
    return labels.astype(np.uint8)


def _is_segmentation(path: Path) -> bool:
    """Whether a file is a segmentation of Slicer, by its name or, for any NRRD, by its header."""
    if path.name.lower().endswith(SEGMENTATION):
        return True
    if not path.name.lower().endswith(".nrrd"):
        return False
    with path.open("rb") as file:
        return b"\nSegment0_" in file.read(1 << 16).split(b"\n\n", 1)[0]


def _segmentation(
    path: Path, classes: Mapping[int, str]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], tuple[str, ...]]:
    """Class indices, affine (RAS mm) and the segments that are no class."""
    slicerio = _slicerio()
    try:
        content = slicerio.read_segmentation(str(path))
    except Exception as error:  # pynrrd and slicerio raise several unrelated classes on damaged files
        raise CorrectionError(f"Cannot read {path} as a segmentation of 3D Slicer ({error}). Save it again.") from error
    segments = [{"name": "", "labelValue": 1, "layer": 0, **segment} for segment in content["segments"]]
    labels = np.zeros(content["voxels"].shape[-3:], dtype=np.uint8)
    for index, segment in _matched(path, segments, classes).items():
        mask = slicerio.segment_mask(content, segment)
        if (labels[mask] != 0).any():
            raise CorrectionError(
                f"In {path} the segment {segment['name']!r} overlaps another class. A voxel has one class: remove the "
                "overlap in the Segment Editor (Masking: overwrite all)."
            )
        labels[mask] = index
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(content["ijkToLPS"], dtype=np.float64)
    known = {name.casefold() for name in classes.values()}
    strange = [s for s in segments if s["name"].strip().casefold() not in known and not _of_export(s)]
    return labels, affine, tuple(s["name"] for s in strange)


def _of_export(segment: Mapping[str, Any]) -> bool:
    """Whether `atso export` wrote a segment: a fold model's label, or where the models disagree."""
    return re.fullmatch(r"f\d+_\d+|disagreement", str(segment.get("id", ""))) is not None


def _slicerio() -> Any:
    try:
        import slicerio
    except ImportError:
        raise CorrectionError(
            "Segmentations of 3D Slicer (.seg.nrrd) need slicerio: pip install 'atso_monai[review]'. "
            "NIfTI labels need nothing."
        ) from None
    return slicerio


def _matched(path: Path, segments: list[dict[str, Any]], classes: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """The segment of each class, by name; small and capital letters are the same."""
    found = {}
    for index, name in classes.items():
        if not index:
            continue
        same = [s for s in segments if s["name"].strip().casefold() == name.casefold()]
        if len(same) != 1:
            shown = ", ".join(repr(s["name"]) for s in segments) or "none"
            raise CorrectionError(
                f"{path} has {len(same)} segments named {name!r}; its segments are {shown}. Each class needs one "
                "segment of its name; where the structure is absent, an empty one."
            )
        found[index] = same[0]
    return found


def on_grid(
    labels: npt.NDArray[np.uint8], affine: npt.ArrayLike, shape: tuple[int, ...], grid: npt.ArrayLike, path: Path,
    *, whole: bool,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """Labels on another grid that has the same voxels: axes swapped, flipped, and cut or padded with background.

    Args:
        labels: class indices (X, Y, Z).
        affine: of the labels, 4x4, RAS mm.
        shape: of the grid.
        grid: its affine.
        path: what errors call the labels.
        whole: whether the labels must cover exactly the grid.

    Raises:
        CorrectionError: when the voxels are not those of the grid, or a label lies outside of it.
    """
    exact = np.linalg.inv(np.asarray(grid, dtype=float)) @ np.asarray(affine, dtype=float)
    turn = np.rint(exact)
    signed = np.abs(turn[:3, :3])
    fits = (signed.sum(0) == 1).all() and (signed.sum(1) == 1).all()
    apart = corner_distance(np.asarray(grid) @ turn, affine, labels.shape) if fits else np.inf
    order = tuple(int(np.argmax(row)) for row in signed)
    size = tuple(labels.shape[axis] for axis in order) if fits else labels.shape
    signs = [turn[i, order[i]] for i in range(3)] if fits else [1.0] * 3
    start = [int(turn[i, 3]) - (size[i] - 1 if signs[i] < 0 else 0) for i in range(3)]
    if not fits or apart > TOLERANCE_MM or (whole and (size != tuple(shape) or any(start))):
        raise CorrectionError(
            f"{path} does not lie on the grid of its image: shape {labels.shape} where the image has {tuple(shape)}, "
            f"{_distance(apart)}. Save it on the image's own grid, without resampling or another origin."
        )
    turned = labels.transpose(order)[tuple(slice(None, None, -1) if sign < 0 else slice(None) for sign in signs)]
    return _pasted(turned, start, tuple(shape), path)


def _distance(apart: float) -> str:
    return "axes or spacing differ" if np.isinf(apart) else f"voxel centres up to {apart:.3g} mm off"


def _pasted(
    labels: npt.NDArray[np.uint8], start: list[int], shape: tuple[int, ...], path: Path
) -> npt.NDArray[np.uint8]:
    out = np.zeros(shape, dtype=np.uint8)
    low = [max(0, s) for s in start]
    high = [min(n, s + size) for n, s, size in zip(shape, start, labels.shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        inside = labels[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]
        out[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    if np.count_nonzero(out) != np.count_nonzero(labels):
        raise CorrectionError(f"{path} has labels outside of its image. Crop the segmentation to the image.")
    return out
