"""The store of decoded pictures: every file is read once, whatever folds, generations and runs follow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.files import hash_json
from atso_monai.prepare.array_file import OpenArrays, write_array
from atso_monai.prepare.labels import LabelMap, class_of_value, map_labels
from atso_monai.prepare.placement import Placement
from atso_monai.prepare.store import AnyPath, pointed_to
from atso_monai.volume_file import VolumeFacts, read_volume, read_with_facts, recall_facts

Array = npt.NDArray[Any]

_FORMAT = 1


class PictureStore:
    """Pictures at one scale, kept in a folder under the hash of their pixels and of what was done to them.

    A file that moved or was copied is found again; one whose pixels changed is prepared anew. Several processes and
    scales may share a folder, also with a :class:`~atso_monai.prepare.VolumeStore`.

    Args:
        cache_dir: folder for ``facts/`` and ``volumes/``, or a text file that names it. None keeps nothing.
        side: pixels of the shorter side; the aspect ratio stays, smaller pictures are enlarged. None: as the file.
        mean: of red, green and blue, 0 to 255, subtracted when a picture is read.
        std: of red, green and blue, divided by.

    Raises:
        ConfigError: when a number cannot be.
    """

    def __init__(
        self,
        cache_dir: AnyPath | None,
        side: int | None = None,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (255.0, 255.0, 255.0),
    ) -> None:
        if side is not None and (isinstance(side, bool) or not isinstance(side, int) or side < 1):
            raise ConfigError(f"side must be a number of pixels, or null. Received: {side!r}.")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ConfigError(f"mean and std must have three numbers, std above 0. Received: {mean} and {std}.")
        self._cache_dir = None if cache_dir is None else pointed_to(Path(cache_dir))
        self.side = side
        self._mean, self._std = (torch.tensor(list(v), dtype=torch.float32)[:, None, None] for v in (mean, std))
        self._opened = OpenArrays()

    def image(self, path: AnyPath) -> tuple[torch.Tensor, Placement]:
        """A picture (3, h, w) float32, normalised, at the scale of the store, and its way back; grey becomes RGB.

        Raises:
            PrepareError: names the file when it cannot be read or is no picture in RGB or grey.
        """
        array, native = self._prepared(path, None, "image")
        values = torch.from_numpy(np.array(array, dtype=np.float32))
        return values.sub_(self._mean).div_(self._std), picture_placement(native, array.shape[1:])

    def label(self, path: AnyPath, label_map: LabelMap | None = None) -> torch.Tensor:
        """A label (h, w) uint8 at the scale of the store, nearest pixels.

        Args:
            path: the file.
            label_map: class index of each value in the file; None where the file holds class indices.

        Raises:
            PrepareError: names the file when it cannot be read, is no label, or has values without a class.
        """
        return torch.from_numpy(np.array(self._prepared(path, label_map, "label")[0]))

    def shape(self, native: Sequence[int]) -> tuple[int, int]:
        """Rows and columns at the scale of the store of a picture with ``native`` (H, W)."""
        height, width = native
        scale = 1.0 if self.side is None else self.side / min(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _prepared(self, path: AnyPath, label_map: LabelMap | None, kind: str) -> tuple[Array, tuple[int, int]]:
        """The picture at the scale of the store, and rows and columns of the file."""
        facts_dir = None if self._cache_dir is None else self._cache_dir / "facts"
        array, facts = None, recall_facts(path, facts_dir)
        if facts is None:
            array, _, facts = read_with_facts(path, facts_dir)
        if len(facts.grid) != 2 or facts.shape[2:] not in ((), (3,)) or (kind == "label" and len(facts.shape) != 2):
            raise PrepareError(f"Cannot prepare {os.fspath(path)} as {kind} of a picture: its shape is {facts.shape}.")
        native = (facts.grid[0], facts.grid[1])
        shape = self.shape(native)
        wanted = (3, *shape) if kind == "image" else shape
        file = self._file(facts, label_map, kind)
        kept = None if file is None else self._opened.get(file, wanted, "uint8")
        if kept is not None:
            return kept, native
        made = self._make(path, read_volume(path)[0] if array is None else array, facts, label_map, kind)
        if file is not None:
            write_array(file, made, 0)
        return made, native

    def _file(self, facts: VolumeFacts, label_map: LabelMap | None, kind: str) -> Path | None:
        if self._cache_dir is None:
            return None
        mapping = None if label_map is None else sorted((int(k), int(v)) for k, v in label_map.items())
        key = hash_json(["picture", _FORMAT, facts.content, self.side, kind, mapping])[:40]
        return self._cache_dir / "volumes" / f"{key}.npy"

    def _make(self, path: AnyPath, array: Array, facts: VolumeFacts, label_map: LabelMap | None, kind: str) -> Array:
        shape = self.shape(facts.grid)
        try:
            if kind == "label":
                return _resized(map_labels(array, class_of_value(facts.values, label_map)), shape, kind)
            if array.dtype != np.uint8:
                raise PrepareError(f"its pixels must be uint8, not {array.dtype}. Convert it to 8 bits.")
            colours = array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
            return np.ascontiguousarray(np.moveaxis(_resized(colours, shape, kind), 2, 0))
        except PrepareError as error:
            raise PrepareError(f"Cannot prepare {os.fspath(path)} as {kind} of a picture: {error}") from error


def picture_placement(native: Sequence[int], shape: Sequence[int]) -> Placement:
    """The way back of a picture: a volume of one slice, whose rows and columns were resampled to ``shape``."""
    (height, width), (rows, columns) = native, shape
    return Placement(
        native_shape=(height, width, 1),
        native_affine=tuple(tuple(float(v) for v in row) for row in np.eye(4)),
        orientation=((0, 1), (1, 1), (2, 1)),
        resampled=(rows, columns, 1),
        offset=(0, 0, 0),
        shape=(rows, columns, 1),
    )


def _resized(array: Array, shape: tuple[int, int], kind: str) -> Array:
    """To (rows, columns): labels by nearest pixel, images by a filter that is as wide as a pixel of the result."""
    from PIL import Image

    if array.shape[:2] == shape:
        return array
    how = Image.Resampling.NEAREST if kind == "label" else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(array).resize((shape[1], shape[0]), how))
