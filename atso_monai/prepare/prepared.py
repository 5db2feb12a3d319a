"""One volume on the training grid, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import PrepareError
from atso_monai.prepare.array_file import OpenArrays, open_array, write_array
from atso_monai.prepare.placement import Placement, Triple
from atso_monai.prepare.statistics import Statistics
from atso_monai.views import view_axis
from atso_monai.volume_file import cache_file

Array = npt.NDArray[Any]

_RECORD = "record.json"


@dataclass(frozen=True)
class PreparedVolume:
    """A volume on the training grid: one .npy file per view that was asked for, and a record.

    Attributes:
        folder: where the files are.
        placement: the way back to the file's own grid.
        statistics: of an image; None for labels.
        dtype: numpy name of the voxel type on disk.
    """

    folder: Path
    placement: Placement
    statistics: Statistics | None
    dtype: str
    _open: OpenArrays

    @property
    def shape(self) -> Triple:
        """Voxels per RAS axis (X, Y, Z)."""
        return self.placement.shape

    def array(self, view: int | str = 0) -> Array:
        """The volume with the view's axis first, the others in their order: (X, Y, Z), (Y, X, Z) or (Z, X, Y).

        Made from the sagittal file on first use.

        Returns:
            A C-contiguous, read-only memory map in the units of the file (images) or class indices (labels).

        Raises:
            PrepareError: when the files were removed or damaged since the volume was prepared.
        """
        axis = view_axis(view)
        file, shape = self._file(axis), self._turned(axis)
        array = self._open.get(file, shape, self.dtype)
        if array is None and axis != 0:
            write_array(file, self.array(0), axis)
            array = self._open.get(file, shape, self.dtype)
        if array is None:
            raise PrepareError(
                f"The cached volume {file} was removed or damaged while in use. Run again to make it anew."
            )
        return array

    def foreground(self, view: int | str = 0) -> npt.NDArray[np.int64]:
        """Number of voxels that are not background in each slice of a view; for labels only."""
        counts = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))["foreground"]
        return np.asarray(counts[view_axis(view)], dtype=np.int64)

    def _file(self, axis: int) -> Path:
        return self.folder / f"view{axis}.npy"

    def _turned(self, axis: int) -> tuple[int, ...]:
        return (self.shape[axis], *(n for other, n in enumerate(self.shape) if other != axis))


def save_volume(
    folder: Path, array: Array, placement: Placement, statistics: Statistics | None, opened: OpenArrays
) -> PreparedVolume:
    """Write a volume on the training grid (X, Y, Z); the record comes last and makes it valid.

    Args:
        folder: made when missing.
        array: an image in the units of the file, or uint8 labels when ``statistics`` is None.
        placement: how it came onto the grid.
        statistics: of an image.
        opened: the memory maps to share.
    """
    write_array(folder / "view0.npy", array, 0)
    opened.forget(folder)
    record: dict[str, Any] = {"placement": placement.to_json(), "dtype": str(array.dtype)}
    if statistics is None:
        record["foreground"] = [np.count_nonzero(array, axis=other).tolist() for other in ((1, 2), (0, 2), (0, 1))]
    else:
        record["statistics"] = asdict(statistics)
    with cache_file(folder / _RECORD) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")
    return PreparedVolume(folder, placement, statistics, str(array.dtype), opened)


def load_volume(folder: Path, opened: OpenArrays) -> PreparedVolume | None:
    """What :func:`save_volume` wrote; None when it is missing or damaged."""
    try:
        record: Mapping[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        kept = record.get("statistics")
        statistics = None if kept is None else Statistics(**kept)
        volume = PreparedVolume(folder, Placement.from_json(record["placement"]), statistics, record["dtype"], opened)
        whole = open_array(folder / "view0.npy", volume.shape, volume.dtype) is not None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return volume if whole else None
