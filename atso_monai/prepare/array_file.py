"""Volumes in .npy files: written slab by slab, read through memory maps of which only a few are open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.volume_file import cache_file

Array = npt.NDArray[Any]

_SLAB_VOXELS = 1 << 22


def write_array(path: Path, volume: Array, axis: int) -> None:
    """Write ``volume`` (X, Y, Z) with ``axis`` first; the file appears at once and complete.

    Raises:
        PrepareError: when there is no space or no permission.
    """
    turned = np.moveaxis(volume, axis, 0)
    step = max(1, _SLAB_VOXELS // max(1, turned[0].size))
    header = {"descr": np.lib.format.dtype_to_descr(volume.dtype), "fortran_order": False, "shape": turned.shape}
    with cache_file(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(turned), step):
            file.write(np.ascontiguousarray(turned[start : start + step]).data)


def open_array(path: Path, shape: Sequence[int], dtype: str) -> Array | None:
    """The read-only memory map of a file by :func:`write_array`; None when it is missing, cut short, or another."""
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = array.shape == tuple(shape) and array.dtype == dtype and array.flags.c_contiguous
    return array.view(np.ndarray) if whole else None


class OpenArrays:
    """The memory maps used last, a bounded number and size of them; copies in other processes start with none.

    Args:
        limit: most maps.
        megabytes: most of the address space that they take together, except that the last one may be larger.
    """

    def __init__(self, limit: int = 1024, megabytes: float = 1024) -> None:
        self.limit = limit
        self.megabytes = megabytes
        self._arrays: OrderedDict[Path, Array] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._arrays)

    def __reduce__(self) -> tuple[type[OpenArrays], tuple[int, float]]:
        return OpenArrays, (self.limit, self.megabytes)

    def get(self, path: Path, shape: Sequence[int], dtype: str) -> Array | None:
        """As :func:`open_array`, from the maps that are open where possible."""
        with self._lock:
            if path in self._arrays:
                self._arrays.move_to_end(path)
                return self._arrays[path]
            array = open_array(path, shape, dtype)
            if array is not None:
                self._make_room(array.nbytes)
                self._arrays[path] = array
                self._bytes += array.nbytes
        return array

    def forget(self, folder: Path) -> None:
        """Drop the maps of files in ``folder``, which are about to be replaced."""
        with self._lock:
            for path in [path for path in self._arrays if path.parent == folder]:
                self._bytes -= self._arrays.pop(path).nbytes

    def _make_room(self, size: int) -> None:
        while self._arrays and (len(self._arrays) >= self.limit or self._bytes + size > self.megabytes * 1e6):
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes
