"""Volume files as arrays: one reader for images and labels, and the facts that checks and caches need.

A folder that holds one DICOM series counts as a volume file.

Arrays have the axis order of the file, (X, Y, Z) or more axes where a file holds more; affines map voxel indices to RAS
millimetres. Nothing is rescaled beyond what the file's own header asks for. Pictures (PNG, JPEG) are read as well: rows
first, colours last, and the identity in place of an affine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai._dicom_series import read_dicom_series
from atso_monai._volume_formats import blocks, read_itk, read_nifti
from atso_monai._volume_sketch import sketch
from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path
from atso_monai.picture_file import PICTURE_SUFFIXES, is_picture, read_picture

SUFFIXES = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd")
"""File name endings that can be read: NIfTI by nibabel, the others by ITK."""

Array = npt.NDArray[Any]

_FACTS_VERSION = 2
_MOST_VALUES = 256
_FEWEST_GREYS = 16  # less is a label or a mask
_EXACT_IN_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class VolumeFacts:
    """What can be said of a volume file without keeping its voxels.

    Attributes:
        path: absolute path of the file.
        shape: as stored; three numbers for a volume, more for 4D or colour files; (H, W) or (H, W, 3) for a picture.
        affine: 4x4, voxel index to RAS millimetres.
        spacing: length of the affine's three columns, in mm.
        dtype: numpy name of the type that :func:`read_volume` gives.
        finite: whether all voxels are finite.
        minimum: of the finite voxels; 0 where there are none.
        maximum: of the finite voxels; 0 where there are none.
        values: the distinct values, sorted, when all are integers and at most 256 of them; else None.
        content: sha256 (hex) of shape and voxel values, the same whatever compression, header or data type held them.
        sketch: numbers that crops of one scan share; empty for labels. See :mod:`atso_monai._volume_sketch`.
    """

    path: str
    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]
    spacing: tuple[float, ...]
    dtype: str
    finite: bool
    minimum: float
    maximum: float
    values: tuple[int, ...] | None
    content: str
    sketch: tuple[int, ...] = ()

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape without the colours of a picture: what the label of an image must share."""
        return self.shape[:2] if is_picture(self.path) else self.shape


def case_id(path: str | os.PathLike[str]) -> str:
    """File name without folder and known suffix: ``scans/liver.v2.nii.gz`` gives ``liver.v2``."""
    name = Path(path).name
    return name[: len(name) - len(_suffix(name))]


def read_volume(path: str | os.PathLike[str]) -> tuple[Array, npt.NDArray[np.float64]]:
    """Read a volume, scaled as its header says: a file, or a folder of one DICOM series.

    Returns:
        The array and its affine (4x4, RAS mm). Integer files without scaling keep their type; all others are float32.
        Colour files have their channels as last axis.

    Raises:
        PrepareError: names the file when it is missing, damaged, or of another format, and the folder when its slices
            are no regular stack of one series.
    """
    file = Path(path)
    if file.is_dir():
        return _read_folder(file)
    suffix = _suffix(file.name)
    if not suffix:
        known = ", ".join((*SUFFIXES, *PICTURE_SUFFIXES))
        raise PrepareError(f"Cannot read {file}: its name must end in one of {known}.")
    if not file.is_file():
        raise PrepareError(f"Cannot read {file}: there is no such file.")
    try:
        if suffix in PICTURE_SUFFIXES:
            return read_picture(file), np.eye(4)
        return read_nifti(file) if suffix.startswith(".nii") else read_itk(file)
    except Exception as error:  # nibabel, zlib, Pillow and ITK raise a dozen unrelated classes on damaged files
        reason = str(error).strip() or type(error).__name__
        raise PrepareError(
            f"Cannot read {file} as {suffix} ({reason}). It may be damaged or cut short: copy or convert it again."
        ) from error


def _read_folder(folder: Path) -> tuple[Array, npt.NDArray[np.float64]]:
    try:
        return read_dicom_series(folder)
    except OSError as error:
        raise PrepareError(f"Cannot read {folder} as DICOM series ({error}). Check its files.") from error


def inspect_volume(path: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None = None) -> VolumeFacts:
    """The facts of a volume file; with ``cache_dir``, voxels are read only when the file is new or has changed.

    A file counts as unchanged while its absolute path, size and time of modification are the same. Several processes
    may share ``cache_dir``.

    Raises:
        PrepareError: names the file when it cannot be read.
    """
    return recall_facts(path, cache_dir) or read_with_facts(path, cache_dir)[2]


def read_with_facts(
    path: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None = None
) -> tuple[Array, npt.NDArray[np.float64], VolumeFacts]:
    """:func:`read_volume` and :func:`inspect_volume` in one reading: array, affine, facts (kept in ``cache_dir``)."""
    stamp = _stamp(path) if cache_dir is not None else None
    array, affine = read_volume(path)
    facts = _examine(os.path.abspath(path), array, affine)
    if cache_dir is not None and stamp is not None:
        with cache_file(_facts_file(path, cache_dir)) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "facts": asdict(facts)}), encoding="utf-8")
    return array, affine, facts


def recall_facts(path: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None) -> VolumeFacts | None:
    """The facts kept in ``cache_dir`` for a file that has not changed since; None where there are none."""
    if cache_dir is None:
        return None
    try:
        kept = json.loads(_facts_file(path, cache_dir).read_text(encoding="utf-8"))
        if kept["stamp"] != _stamp(path):
            return None
        facts = {key: _tuples(value) for key, value in kept["facts"].items()}
        return VolumeFacts(**facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: the same as never seen


@contextmanager
def cache_file(path: Path) -> Iterator[Path]:
    """:func:`atso_monai.files.atomic_path` for caches: a full or protected disk is a PrepareError with the way out."""
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except OSError as error:
        raise PrepareError(
            f"Cannot write {path} ({error.strerror or error}). Free some space, or choose another cache folder."
        ) from error


def _suffix(name: str) -> str:
    return next((s for s in (*SUFFIXES, *PICTURE_SUFFIXES) if name.lower().endswith(s)), "")


def _examine(path: str, array: Array, affine: npt.NDArray[np.float64]) -> VolumeFacts:
    finite, low, high = True, np.inf, -np.inf
    for block in blocks(array):
        good = block
        if array.dtype.kind == "f" and not (well := np.isfinite(block)).all():
            finite, good = False, block[well]
        if good.size:
            low, high = min(low, float(good.min())), max(high, float(good.max()))
    if low > high:
        low = high = 0.0
    wide = max(abs(low), abs(high)) > _EXACT_IN_FLOAT32 and array.dtype.kind != "f"
    values = _distinct(array, int(low), int(high)) if finite else None
    grey = finite and (values is None or len(values) >= _FEWEST_GREYS)
    return VolumeFacts(
        path=path,
        shape=tuple(int(n) for n in array.shape),
        affine=tuple(tuple(float(v) for v in row) for row in affine),
        spacing=tuple(float(v) for v in np.sqrt((affine[:3, :3] ** 2).sum(axis=0))),
        dtype=str(array.dtype),
        finite=finite,
        minimum=low,
        maximum=high,
        values=values,
        content=_content(array, "<f8" if wide else "<f4"),
        sketch=sketch(array, affine) if grey else (),
    )


def _distinct(array: Array, low: int, high: int) -> tuple[int, ...] | None:
    """Distinct values, or None when one is not an integer or there are more than 256."""
    found: set[int] = set()
    for block in blocks(array):
        if array.dtype.kind == "f" and not (block == np.rint(block)).all():
            return None
        if high - low < 1 << 16 and max(abs(low), abs(high)) < 1 << 53:
            seen = np.zeros(high - low + 1, dtype=bool)
            seen[block.astype(np.int64) - low] = True
            found.update(int(v) + low for v in np.flatnonzero(seen))
        else:
            found.update(int(v) for v in np.unique(block))
        if len(found) > _MOST_VALUES:
            return None
    return tuple(sorted(found))


def _content(array: Array, dtype: str) -> str:
    """Hash of the values in Fortran order as ``dtype``; -0 counts as 0."""
    digest = hashlib.sha256(repr(tuple(array.shape)).encode())
    for block in blocks(array):
        digest.update((block.astype(dtype) + np.zeros((), dtype)).tobytes(order="F"))
    return digest.hexdigest()


def _facts_file(path: str | os.PathLike[str], cache_dir: str | os.PathLike[str]) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()
    return Path(cache_dir) / f"{name}.json"


def _stamp(path: str | os.PathLike[str]) -> list[Any] | None:
    """What changes when a file (a file of the folder, the data file that an .mhd header names) is written anew."""
    file = Path(path)
    try:
        files = sorted(file.iterdir()) if file.is_dir() else [file]
        if file.suffix.lower() == ".mhd":
            fields = (line.partition("=") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
            files += [file.parent / v.strip() for k, _, v in fields if k.strip() == "ElementDataFile"]
        names = [f.name for f in files] if file.is_dir() else []
        stats = [f.stat() for f in files if f.is_file()]
    except OSError:
        return None
    return [_FACTS_VERSION, [[s.st_size, s.st_mtime_ns] for s in stats], names]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
