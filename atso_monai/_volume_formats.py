"""The readers of files behind :mod:`atso_monai.volume_file`: NIfTI by nibabel, everything else by ITK."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK_VOXELS = 1 << 20


def read_nifti(path: Path) -> tuple[Array, npt.NDArray[np.float64]]:
    """Array, scaled by slope and intercept, and affine (4x4, RAS mm); raises whatever nibabel and zlib raise."""
    import nibabel as nib

    with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as stream:
        size = stream.read(4)
        stream.seek(0)
        kind = (
            nib.Nifti2Image if 540 in (int.from_bytes(size, "little"), int.from_bytes(size, "big")) else nib.Nifti1Image
        )
        image = kind.from_file_map(kind.make_file_map({"image": stream}), mmap=False)
        array = _scaled(_native(image.dataobj.get_unscaled()), float(image.dataobj.slope), float(image.dataobj.inter))
        _drain(stream)
    return array, np.asarray(image.affine, dtype=np.float64)


def _drain(stream: BinaryIO | gzip.GzipFile) -> None:
    """Read to the end: gzip compares its checksum only there."""
    while stream.read(1 << 20):
        pass


def read_itk(path: Path) -> tuple[Array, npt.NDArray[np.float64]]:
    """Array with axes (X, Y, Z, ...), channels last, and affine turned from LPS to RAS mm; raises what ITK raises."""
    import itk

    image = itk.imread(str(path))
    array = itk.array_from_image(image)
    space = image.GetImageDimension()
    array = array.transpose(*reversed(range(space)), *range(space, array.ndim))
    kept = min(space, 3)
    affine = np.eye(4)
    direction = itk.array_from_matrix(image.GetDirection())
    affine[:kept, :kept] = (direction * np.asarray(list(image.GetSpacing())))[:kept, :kept]
    affine[:kept, 3] = list(image.GetOrigin())[:kept]
    return plain_array(array), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # LPS to RAS


def plain_array(array: Array) -> Array:
    """``array`` in machine byte order, as float32 where it holds other floats; raises ValueError for no numbers."""
    return _scaled(_native(array), 1.0, 0.0)


def _native(array: Array) -> Array:
    """Machine byte order; named channels (RGB) as last axis."""
    if array.dtype.names:
        array = np.stack([array[name] for name in array.dtype.names], axis=-1)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _scaled(array: Array, slope: float, inter: float) -> Array:
    """``array * slope + inter``: integers as they are where that changes nothing, else float32 rounded from float64."""
    if array.dtype.kind not in "iubf":
        raise ValueError(f"voxels of type {array.dtype} are not supported")
    if (slope, inter) == (1.0, 0.0) and (array.dtype.kind != "f" or array.dtype == np.float32):
        return array
    out = np.empty(array.shape, dtype=np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):
        for source, target in zip(blocks(array), blocks(out), strict=True):
            target[...] = source.astype(np.float64) * slope + inter
    return out


def blocks(array: Array) -> Iterator[Array]:
    """Views along the last axis of about a million voxels each, so that temporary copies stay small."""
    depth = array.shape[-1] if array.ndim else 0
    step = max(1, _BLOCK_VOXELS * depth // max(1, array.size))
    for start in range(0, depth, step):
        yield array[..., start : start + step]
