"""One DICOM series as a volume: ITK (GDCM) decodes, the geometry is read from the headers and checked here.

A folder holds one series, a file per slice. What does not stack into one regular volume is refused, never mended: a
missing slice or a tilted gantry that goes unnoticed moves every voxel behind it.

Source: DICOM PS3.3, section C.7.6.2 (image plane module): position and orientation are in LPS millimetres, the first
three numbers of the orientation run along a row (growing column index), and the pixel spacing names rows first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai._volume_formats import plain_array
from atso_monai.errors import PrepareError

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

_BESIDE = (".txt", ".xml", ".json", ".csv", ".pdf", ".png", ".jpg", ".html", ".md", ".log", ".sha1", ".md5", ".tcia")
_NAMES_BESIDE = ("dicomdir", "license", "desktop.ini", "thumbs.db")
_REGULAR = 0.02  # of the slice distance: how far a slice may lie from its place
_ROUNDING_MM = 0.02
_TILT_DEGREES = 0.3
_SAME_DIRECTION = 1e-3


@dataclass(frozen=True, eq=False)
class Slice:
    """What the header of one file says of its place.

    Attributes:
        file: the DICOM file.
        series: series instance UID, empty where the file has none.
        position: (3,) centre of the first voxel, LPS mm.
        along_row: (3,) unit vector of growing column index, LPS.
        along_column: (3,) unit vector of growing row index, LPS.
        shape: (columns, rows).
        spacing: mm between (columns, rows).
        values: what turns stored numbers into Hounsfield units and how they are stored, as text.
    """

    file: Path
    series: str
    position: Vector
    along_row: Vector
    along_column: Vector
    shape: tuple[int, int]
    spacing: tuple[float, float]
    values: tuple[str, ...]


def is_dicom_folder(folder: Path) -> bool:
    """Whether a folder itself (not one below it) holds a file with the DICOM mark."""
    return folder.is_dir() and any(_has_mark(file) for file in _candidates(folder))


def read_dicom_series(folder: Path) -> tuple[Array, Vector]:
    """Read the one series in ``folder``.

    Returns:
        Array (columns, rows, slices), rescaled as the headers say (HU for CT), slices in the order of their positions
        along the normal of the slice plane; affine 4x4, RAS mm.

    Raises:
        PrepareError: names folder and files when there are no or damaged files, several series, a gap or a slice
            twice, a tilted gantry, or slices of several orientations, sizes, spacings or rescalings.
    """
    files = _candidates(folder)
    if not files:
        raise PrepareError(f"Cannot read {folder}: it is a folder without DICOM files.")
    if strange := [file.name for file in files if not _has_mark(file)]:
        raise _refused(
            folder,
            f"{len(strange)} of {len(files)} files are no DICOM files: {_some(strange)}",
            "Give a volume file or a folder of one DICOM series; copy cut off files again, move others elsewhere.",
        )
    slices = [read_header(file) for file in files]
    for fault, way_out in _faults(slices):
        raise _refused(folder, fault, way_out)
    ordered = sorted(slices, key=_height)
    for fault, way_out in _stack_faults(ordered):
        raise _refused(folder, fault, way_out)
    return _voxels(folder, ordered), stack_affine(ordered)


def read_header(file: Path) -> Slice:
    """The place of one slice.

    Raises:
        PrepareError: when the file cannot be read, is no single grey slice, or does not say where it lies.
    """
    import itk

    reader = itk.GDCMImageIO.New()
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise PrepareError(f"Cannot read {file} as DICOM ({_last_line(error)}). Copy it again.") from error
    header = reader.GetMetaDataDictionary()

    def tag(key: str) -> str:
        return str(header[key]).strip("\0 ") if header.HasKey(key) else ""

    if int(tag("0028|0008") or 1) != 1 or int(tag("0028|0002") or 1) != 1:
        raise PrepareError(f"Cannot read {file}: it is a multi-frame or colour image. One grey slice a file is read.")
    try:
        position = _numbers(tag("0020|0032"), 3)
        directions = _numbers(tag("0020|0037"), 6)
        rows_apart, columns_apart = _numbers(tag("0028|0030"), 2)
    except ValueError as error:
        raise PrepareError(
            f"Cannot read {file}: its header lacks a valid position, orientation or pixel spacing ({error}), "
            "so nothing says where the slice lies. Take files that are no axial slices out of the folder."
        ) from error
    return Slice(
        file=file,
        series=tag("0020|000e"),
        position=position,
        along_row=directions[:3],
        along_column=directions[3:],
        shape=(int(tag("0028|0011")), int(tag("0028|0010"))),
        spacing=(float(columns_apart), float(rows_apart)),
        values=tuple(tag(key) for key in ("0028|1053", "0028|1052", "0028|0101", "0028|0103")),
    )


def stack_affine(slices: Sequence[Slice]) -> Vector:
    """4x4, index (column, row, slice) to RAS mm, of slices in the order of their positions."""
    first, last = slices[0], slices[-1]
    lps = np.eye(4)
    lps[:3, 0] = first.along_row * first.spacing[0]
    lps[:3, 1] = first.along_column * first.spacing[1]
    lps[:3, 2] = (last.position - first.position) / (len(slices) - 1)
    lps[:3, 3] = first.position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _faults(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Why the files are not slices of one series on one plane grid, whatever their order; with the way out."""
    first = slices[0]
    alone = "Leave the files of one series in the folder."
    same: dict[str, Callable[[Slice], object]] = {
        "series": lambda s: s.series,
        "sizes (columns, rows)": lambda s: s.shape,
        "rescalings (slope, intercept, bits, sign)": lambda s: s.values,
    }
    for what, key in same.items():
        kinds = {key(s): s.file.name for s in reversed(slices)}
        if len(kinds) > 1:
            yield f"it holds {len(kinds)} {what}: " + _some([f"{v} of {name}" for v, name in kinds.items()]), alone
    for s in slices:
        if not np.allclose(s.spacing, first.spacing, rtol=1e-4, atol=0):
            yield f"mixed pixel spacings: {first.spacing} mm of {first.file.name}, {s.spacing} of {s.file.name}", alone
        turned = max(np.abs(s.along_row - first.along_row).max(), np.abs(s.along_column - first.along_column).max())
        if turned > _SAME_DIRECTION:
            yield f"mixed orientations: {first.file.name} and {s.file.name} do not lie in parallel planes", alone
    lengths = [float(np.linalg.norm(v)) for v in (first.along_row, first.along_column)]
    if max(abs(length - 1) for length in lengths) > 1e-3 or abs(first.along_row @ first.along_column) > 1e-3:
        yield f"the orientation of {first.file.name} is no pair of perpendicular unit vectors", "Export it again."
    if not min(first.spacing) > 0:
        yield f"the pixel spacing of {first.file.name} is not positive: {first.spacing}", "Export it again."
    if len(slices) < 2:
        yield f"it holds one slice, {first.file.name}, and no volume", "Copy the whole series again."


def _stack_faults(slices: Sequence[Slice]) -> Iterator[tuple[str, str]]:
    """Why slices in the order of their positions are no regular stack; with the way out."""
    again = "Download the series again, or leave the case out."
    heights = np.array([_height(s) for s in slices])
    steps = np.diff(heights)
    usual = float(np.median(steps))
    names = [s.file.name for s in slices]
    if (twice := np.flatnonzero(steps < max(0.1 * usual, 1e-3))).size:
        pairs = [f"{names[i]} and {names[i + 1]} at {heights[i]:.2f} mm" for i in twice]
        yield f"{len(pairs)} slices are there twice: {_some(pairs)}", "Leave each slice once."
    if (uneven := np.flatnonzero(np.abs(steps - usual) > _REGULAR * usual + _ROUNDING_MM)).size:
        gaps = [f"{steps[i]:.4g} mm from {names[i]} to {names[i + 1]} (at {heights[i]:.2f} mm)" for i in uneven]
        yield f"slices are missing or unevenly spaced: most are {usual:.4g} mm apart, but {_some(gaps)}", again
    places = np.array([s.position for s in slices])
    normal, whole = np.cross(slices[0].along_row, slices[0].along_column), places[-1] - places[0]
    tilt = np.degrees(np.arctan2(np.linalg.norm(whole - (whole @ normal) * normal), whole @ normal))
    if tilt > _TILT_DEGREES:
        yield f"the gantry was tilted: the stack is sheared by {tilt:.2f} degrees", "Straighten it (dcm2niix does)."
    aside = np.linalg.norm(places - np.linspace(places[0], places[-1], len(places)), axis=1)
    if (moved := np.flatnonzero(aside > _REGULAR * usual + _ROUNDING_MM)).size:
        yield f"slices lie up to {aside.max():.2f} mm off the stack: {_some([names[i] for i in moved])}", again


def _voxels(folder: Path, slices: Sequence[Slice]) -> Array:
    import itk

    try:
        image = itk.imread([str(s.file) for s in slices], imageio=itk.GDCMImageIO.New())
        array = itk.array_from_image(image)
    except RuntimeError as error:
        raise _refused(folder, _last_line(error), "It may be damaged or cut short: copy it again.") from error
    if array.dtype == np.int32 and array.min() >= -(1 << 15) and array.max() < 1 << 15:
        array = array.astype(np.int16)  # ITK takes the type that any stored number could need
    return plain_array(array.transpose(2, 1, 0))


def _candidates(folder: Path) -> list[Path]:
    """Files that should be slices: all but hidden ones and what archives put beside them."""
    files = sorted(f for f in folder.iterdir() if not f.name.startswith(".") and f.is_file())
    return [f for f in files if f.suffix.lower() not in _BESIDE and f.name.lower() not in _NAMES_BESIDE]


def _has_mark(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _height(one: Slice) -> float:
    return float(one.position @ np.cross(one.along_row, one.along_column))


def _numbers(text: str, count: int) -> Vector:
    found = np.array([float(part) for part in text.split("\\")])
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(f"{text!r} are not {count} numbers")
    return found


def _refused(folder: Path, fault: str, way_out: str) -> PrepareError:
    return PrepareError(f"Cannot read the DICOM series in {folder}: {fault}. {way_out}")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")
