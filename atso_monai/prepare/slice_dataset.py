"""Slices of prepared volumes as plain tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from atso_monai.errors import ConfigError, PrepareError, one_of
from atso_monai.prepare.datalist import Item, load_datalist
from atso_monai.prepare.foreground import slices_with_enough
from atso_monai.prepare.prepared import PreparedVolume
from atso_monai.prepare.slice_batch import Sample, SliceBatch
from atso_monai.prepare.store import VolumeStore
from atso_monai.views import view_axis
from atso_monai.volume_file import case_id

_RULES = ("rstn", "all")
_TARGETS = ("centre", "all")


class SliceDataset(Dataset[Sample]):
    """All slices of one view of labelled cases, each with its neighbours as channels (2.5D).

    A map-style dataset whose order follows ``data`` and the slice numbers and nothing else; shuffling is the loader's.
    A sample is ``{"image": (context, H, W) float32, "label": (1, H, W) int64}``, or (context, H, W) for both with
    ``target="all"``; H and W are the two other RAS axes in their order. The first and the last slice of a volume repeat
    themselves as neighbours. Cases are prepared, and only then slices are chosen, when the dataset is made.

    Args:
        data: cases as ``{"image": path, "label": path}``, optionally with ``id`` and ``label_map``; or the path of a
            JSON file, see :func:`load_datalist`.
        store: where the volumes are, on which grid and with which intensity.
        view: "sagittal", "coronal", "axial", or the axis 0, 1, 2.
        context: odd number of adjacent slices in a sample.
        foreground: "rstn" for slices with enough foreground, see :func:`slices_with_enough`; "all" for every slice.
        target: "centre" for the label of the middle slice, "all" for those of all slices of the sample.
        transform: applied to each sample.

    Raises:
        ConfigError: names the argument that is wrong.
        PrepareError: names the case that cannot be prepared, or that no slice is left.
    """

    def __init__(
        self,
        data: Sequence[Item] | str | os.PathLike[str],
        store: VolumeStore,
        view: str | int,
        context: int = 3,
        foreground: Literal["rstn", "all"] = "rstn",
        target: Literal["centre", "all"] = "centre",
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        one_of("foreground", foreground, _RULES)
        one_of("target", target, _TARGETS)
        if context < 1 or context % 2 == 0:
            raise ConfigError(f"context must be an odd number of slices. Received: {context}.")
        items = load_datalist(data) if isinstance(data, str | os.PathLike) else data
        self.view, self.context, self.target, self.transform = view_axis(view), context, target, transform
        self.intensity = store.intensity
        self.ids = tuple(str(item.get("id") or case_id(item["image"])) for item in items)
        self._volumes = [_pair(item, name, store) for item, name in zip(items, self.ids, strict=True)]
        self._index = self._choose(foreground)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Any:
        """Sample number ``index``."""
        sample = {key: values[0] for key, values in self._read([index]).items()}
        return sample if self.transform is None else self.transform(sample)

    def __getitems__(self, indices: Sequence[int]) -> Sequence[Any]:
        """Several samples at once; loaders call this for a batch. See :func:`collate_slices`.

        Raises:
            PrepareError: names two cases whose slices have different sizes, when no transform could change that.
        """
        if self.transform is not None:
            return [self[index] for index in indices]
        self._check_sizes(indices)
        return SliceBatch(self._read, indices)

    @property
    def items_by_index(self) -> bool:
        """Whether sample ``i`` is the same whenever it is read; a transform may be random."""
        return self.transform is None

    def where(self, index: int) -> tuple[str, int]:
        """Case id and slice number of sample ``index``."""
        case, centre = self._index[index]
        return self.ids[case], int(centre)

    def _read(self, indices: Sequence[int]) -> Sample:
        """Samples of one size, each read from disk into its place in the batch and normalised there."""
        size = self._slice_size(self._index[indices[0], 0])
        images = torch.empty((len(indices), self.context, *size), dtype=torch.float32)
        labels = torch.empty((len(indices), self.context if self.target == "all" else 1, *size), dtype=torch.int64)
        for image, label, (case, centre) in zip(images, labels, self._index[list(indices)], strict=True):
            source, truth = self._volumes[case]
            _fill(image, source.array(self.view), centre)
            _fill(label, truth.array(self.view), centre)
            if self.intensity is not None and source.statistics is not None:
                self.intensity.apply_(image, source.statistics)
        return {"image": images, "label": labels}

    def _slice_size(self, case: int) -> tuple[int, ...]:
        shape = self._volumes[case][0].shape
        return shape[: self.view] + shape[self.view + 1 :]

    def _choose(self, foreground: str) -> npt.NDArray[np.int32]:
        """Case and slice number of each sample (S, 2)."""
        counts = [label.foreground(self.view) for _, label in self._volumes]
        places = [np.stack([np.full(len(c), case), np.arange(len(c))], axis=1) for case, c in enumerate(counts)]
        if not places:
            raise PrepareError("There are no cases to take slices from. Received: an empty list.")
        index = np.concatenate(places).astype(np.int32)
        if foreground == "rstn":
            index = index[slices_with_enough(np.concatenate(counts))]
        if not len(index):
            raise PrepareError(
                f"No slice of {_some(self.ids)} has foreground. Check label_map, or take foreground='all'."
            )
        return index

    def _check_sizes(self, indices: Sequence[int]) -> None:
        sizes: dict[tuple[int, ...], str] = {}
        for case in np.unique(self._index[list(indices), 0]):
            sizes.setdefault(self._slice_size(case), self.ids[case])
        if len(sizes) > 1:
            found = ", ".join(f"{name} has {height}x{width}" for (height, width), name in list(sizes.items())[:4])
            raise PrepareError(
                f"The slices of a batch must be of one size. Received: {found}. Set size in the TrainingGrid, use a "
                "transform that crops or pads, or a batch size of 1."
            )


def _pair(item: Item, name: str, store: VolumeStore) -> tuple[PreparedVolume, PreparedVolume]:
    if not item.get("label"):
        raise PrepareError(f"Case {name} has no label: slices to train on need one.")
    image, label = store.image(item["image"]), store.label(item["label"], item.get("label_map"))
    if image.shape != label.shape:
        raise PrepareError(
            f"Image and label of case {name} differ in size on the training grid: {image.shape} and {label.shape}. "
            f"Check {item['image']} and {item['label']}."
        )
    return image, label


def _fill(target: torch.Tensor, volume: npt.NDArray[Any], centre: int) -> None:
    """Copy the slices around ``centre`` into ``target`` (slices, H, W); beyond an end its slice repeats itself."""
    first, count = centre - len(target) // 2, len(target)
    if first >= 0 and first + count <= len(volume):
        rows = volume[first : first + count]
    else:
        rows = volume[np.arange(first, first + count).clip(0, len(volume) - 1)]
    np.copyto(target.numpy(), rows, casting="unsafe")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
