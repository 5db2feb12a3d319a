"""A few hundred numbers by which crops of one scan are known again.

Every axial 4 x 4 patch of a volume gets a hash of its grey value differences. Which patches count is decided by the
patch alone, and of those the smallest hashes are kept: a crop keeps most of the patches, so it keeps their hashes,
wherever they lie in it. Patches of air or padding are passed over. An added constant, another orientation of the file,
another number type change nothing; a resampled or filtered copy is not known again.

Source: bottom-k sketches (Broder, "On the resemblance and containment of documents", SEQUENCES 1997), patches chosen by
content as in winnowing (Schleimer et al., SIGMOD 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SIZE = 512
"""Most hashes of a sketch."""

_SIDE = 4
_ONE_IN = 64  # of all patches
_LEAST_VALUES = 8  # different ones in a patch: less is air, padding, or an object of one value
_SLAB_VOXELS = 1 << 21
_FIRST = (np.uint32(2654435761), np.uint32(2246822519), np.uint32(3266489917))
_WEIGHTS = np.random.default_rng(82).integers(1 << 62, size=_SIDE**2, dtype=np.uint64) | np.uint64(1)


def sketch(volume: Array, affine: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """The smallest hashes of a volume's patches, sorted, at most :data:`SIZE`; empty for anything but three axes.

    Args:
        volume: (X, Y, Z) of any grey values; not modified.
        affine: 4x4, RAS mm; tells which plane is axial. One that is not valid is taken for the identity.
    """
    if volume.ndim != 3 or min(volume.shape) < 1:
        return ()
    kept = np.empty(0, dtype=np.uint64)
    for slab in _slabs(_axial(volume, affine)):
        kept = np.unique(np.concatenate([kept, _hashes(slab)]))[:SIZE]
    return tuple(int(v) for v in kept)


def _axial(volume: Array, affine: npt.NDArray[np.float64]) -> Array:
    """A view with RAS axes."""
    from nibabel.orientations import apply_orientation, io_orientation

    try:
        orientation = io_orientation(affine)
    except (ValueError, np.linalg.LinAlgError):
        return volume
    return volume if np.isnan(orientation).any() else np.asarray(apply_orientation(volume, orientation))


def _slabs(volume: Array) -> Iterator[npt.NDArray[np.int32]]:
    """Some axial slices at a time as (Z, X, Y) int32: whole numbers as they are, others by their bits."""
    whole = volume.dtype.kind != "f" or all((s == np.rint(s)).all() for s in np.moveaxis(volume, 2, 0))
    step = max(1, _SLAB_VOXELS // max(1, volume.shape[0] * volume.shape[1]))
    for start in range(0, volume.shape[2], step):
        slab = np.moveaxis(volume[..., start : start + step], 2, 0)
        if whole:
            with np.errstate(invalid="ignore"):
                yield np.ascontiguousarray(slab).astype(np.int32)
        else:
            yield (np.ascontiguousarray(slab, dtype=np.float32) + np.float32(0)).view(np.int32)


def _hashes(slab: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
    """Hashes of the patches of (Z, X, Y) that count."""
    if min(slab.shape[1:]) < _SIDE:
        return np.empty(0, dtype=np.uint64)
    inner = slab[:, : 1 - _SIDE, : 1 - _SIDE]
    mixed = np.zeros(inner.shape, dtype=np.uint32)
    flat = np.zeros(inner.shape, dtype=bool)
    for factor, (dx, dy) in zip(_FIRST, ((1, 0), (0, 1), (_SIDE - 1, _SIDE - 1)), strict=True):
        across = slab[:, dx : dx + inner.shape[1], dy : dy + inner.shape[2]] - inner
        flat |= across == 0
        mixed += across.view(np.uint32) * factor
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(2246822519)
    z, x, y = np.nonzero((mixed < (1 << 32) // _ONE_IN) & ~flat)
    windows = np.lib.stride_tricks.sliding_window_view(slab, (_SIDE, _SIDE), axis=(1, 2))
    patches = windows[z, x, y].reshape(len(z), _SIDE**2).astype(np.int64)
    patches -= patches[:, :1]
    values = 1 + (np.diff(np.sort(patches, axis=1), axis=1) != 0).sum(axis=1)
    sums = (patches[values >= _LEAST_VALUES].view(np.uint64) * _WEIGHTS).sum(axis=1, dtype=np.uint64)
    sums ^= sums >> np.uint64(31)
    sums *= np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(sums ^ (sums >> np.uint64(29)), dtype=np.uint64)
