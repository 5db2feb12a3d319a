"""The store of prepared volumes: every file is read once, whatever views, folds, generations and runs follow."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from atso_monai.errors import PrepareError
from atso_monai.files import hash_json
from atso_monai.prepare.array_file import OpenArrays
from atso_monai.prepare.grid import TrainingGrid, to_training_grid
from atso_monai.prepare.intensity import Intensity
from atso_monai.prepare.labels import LabelMap, class_of_value, map_labels
from atso_monai.prepare.placement import Placement
from atso_monai.prepare.prepared import PreparedVolume, load_volume, save_volume
from atso_monai.prepare.statistics import Statistics, measure
from atso_monai.volume_file import VolumeFacts, read_volume, read_with_facts, recall_facts

Array = npt.NDArray[Any]
AnyPath = str | os.PathLike[str]

_FORMAT = 1


class VolumeStore:
    """Volumes on a training grid, kept in a folder under the hash of their content and of what was done to them.

    A file that moved, was copied or was compressed anew is found again; one whose voxels changed is prepared anew.
    Several processes and several grids may share a folder. Everything in it may be deleted at any time between runs.

    Args:
        cache_dir: folder for ``facts/`` (see :func:`~atso_monai.volume_file.inspect_volume`) and ``volumes/``, or a
            text file that names the folder, so that a run folder can point to a cache elsewhere. None keeps nothing:
            only :meth:`image_tensor` works.
        grid: the training grid; None keeps spacing and size of each file.
        intensity: normalisation of images, applied whenever slices are read, not part of what is kept; None leaves the
            units of the file.
    """

    def __init__(
        self, cache_dir: AnyPath | None, grid: TrainingGrid | None = None, intensity: Intensity | None = None
    ) -> None:
        self._cache_dir = None if cache_dir is None else pointed_to(Path(cache_dir))
        self.grid = grid or TrainingGrid()
        self.intensity = intensity
        self.opened = OpenArrays()

    @property
    def cache_dir(self) -> Path:
        """The folder of the store.

        Raises:
            PrepareError: when the store was made without one.
        """
        if self._cache_dir is None:
            raise PrepareError("Prepared volumes need a folder to be kept in. Received: cache_dir None.")
        return self._cache_dir

    @property
    def facts_dir(self) -> Path:
        """Folder of the facts, for checks that are to share them."""
        return self.cache_dir / "facts"

    def image(self, path: AnyPath) -> PreparedVolume:
        """The prepared volume of an image file, padded with its minimum; made when it is not there yet.

        Raises:
            PrepareError: names the file when it cannot be read, is no volume, or has voxels that are not finite.
        """
        return self._volume(path, None, "image")

    def label(self, path: AnyPath, label_map: LabelMap | None = None) -> PreparedVolume:
        """The prepared volume (uint8 class indices) of a label file, padded with 0; made when it is not there yet.

        Args:
            path: the file.
            label_map: class index of each value in the file; None where the file holds class indices.

        Raises:
            PrepareError: names the file when it cannot be read, is no volume, or has values without a class.
        """
        return self._volume(path, label_map, "label")

    def image_tensor(self, path: AnyPath) -> tuple[torch.Tensor, Placement]:
        """An image (X, Y, Z) float32 on the training grid, in units of the intensity, and its way back.

        Without ``cache_dir`` the file is read and nothing is written.

        Raises:
            PrepareError: as :meth:`image` does.
        """
        statistics: Statistics | None
        if self._cache_dir is None:
            array, affine = read_volume(path)
            try:
                placed, placement, statistics = self._place_image(array, affine)
            except PrepareError as error:
                raise PrepareError(f"Cannot prepare {os.fspath(path)} as image: {error}") from error
        else:
            volume = self.image(path)
            placed, placement, statistics = volume.array(0), volume.placement, volume.statistics
        values = torch.from_numpy(np.array(placed, dtype=np.float32))
        if self.intensity is not None and statistics is not None:
            values = self.intensity.apply_(values, statistics)
        return values, placement

    def _volume(self, path: AnyPath, label_map: LabelMap | None, kind: str) -> PreparedVolume:
        array = None
        facts = recall_facts(path, self.facts_dir)
        if facts is None:
            array, _, facts = read_with_facts(path, self.facts_dir)
        folder = self.cache_dir / "volumes" / self._key(facts, label_map, kind)
        volume = load_volume(folder, self.opened)
        if volume is None:
            array = read_volume(path)[0] if array is None else array
            try:
                volume = self._prepare(folder, array, facts, label_map, kind)
            except PrepareError as error:
                raise PrepareError(f"Cannot prepare {os.fspath(path)} as {kind}: {error}") from error
        return volume

    def _key(self, facts: VolumeFacts, label_map: LabelMap | None, kind: str) -> str:
        mapping = None if label_map is None else sorted((int(k), int(v)) for k, v in label_map.items())
        return hash_json([_FORMAT, facts.content, facts.affine, asdict(self.grid), kind, mapping])[:40]

    def _prepare(
        self, folder: Path, array: Array, facts: VolumeFacts, label_map: LabelMap | None, kind: str
    ) -> PreparedVolume:
        if kind == "label":
            labels = map_labels(array, class_of_value(facts.values, label_map))
            placed, placement = to_training_grid(labels, facts.affine, self.grid, order=0)
            return save_volume(folder, placed, placement, None, self.opened)
        placed, placement, statistics = self._place_image(array, facts.affine)
        return save_volume(folder, _compact(placed), placement, statistics, self.opened)

    def _place_image(self, array: Array, affine: npt.ArrayLike) -> tuple[Array, Placement, Statistics]:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise PrepareError("it has voxels that are NaN or infinite. Repair the file.")
        placed, placement = to_training_grid(array, affine, self.grid, order=1)
        return placed, placement, measure(placed[placement.interior])


def pointed_to(cache_dir: Path) -> Path:
    """The cache folder itself, or the one that a text file in its place names."""
    return Path(cache_dir.read_text(encoding="utf-8").strip()) if cache_dir.is_file() else cache_dir


def _compact(array: Array) -> Array:
    """The same values in the smallest of uint8, int16 and int32 that holds them all, else as float32."""
    if array.dtype.kind != "f" or all((part == np.rint(part)).all() for part in array):
        low, high = array.min(), array.max()
        for dtype in (np.uint8, np.int16, np.int32):
            limits = np.iinfo(dtype)
            if limits.min <= low and high <= limits.max:
                return array.astype(dtype, copy=False)
    return array.astype(np.float32, copy=False)
