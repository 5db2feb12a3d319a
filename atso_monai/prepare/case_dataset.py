"""Whole cases on the training grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from atso_monai.errors import PrepareError
from atso_monai.prepare.datalist import Item, load_datalist
from atso_monai.prepare.store import VolumeStore
from atso_monai.volume_file import case_id


class CaseDataset(Dataset[dict[str, Any]]):
    """Cases to predict, one volume each.

    A sample is ``{"id", "image": (1, X, Y, Z) float32 in the units of the store's intensity, "placement"}``.

    Args:
        data: cases as ``{"id", "image": path}``, or what :func:`load_datalist` takes.
        store: where the volumes are, on which grid and with which intensity.
    """

    def __init__(self, data: Sequence[Item] | str | os.PathLike[str], store: VolumeStore) -> None:
        self._items = load_datalist(data) if isinstance(data, str | os.PathLike) else data
        self._store = store

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Case number ``index``."""
        item = self._items[index]
        image, placement = self._store.image_tensor(item["image"])
        return {"id": item.get("id") or case_id(item["image"]), "image": image[None], "placement": placement}


class LabelledVolumes(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Cases to train on: (image (X, Y, Z) float32, label (X, Y, Z) uint8), on disk until they are asked for.

    Args:
        data: cases as ``{"image": path, "label": path}``, optionally with ``id`` and ``label_map``; or what
            :func:`load_datalist` takes.
        store: where the volumes are, on which grid and with which intensity.

    Raises:
        PrepareError: when no case has foreground, or a label does not fit its image.
    """

    def __init__(self, data: Sequence[Item] | str | os.PathLike[str], store: VolumeStore) -> None:
        items = load_datalist(data) if isinstance(data, str | os.PathLike) else data
        self._items, self._store = items, store
        self._labels = [store.label(item["label"], item.get("label_map")) for item in items]
        for item, label in zip(items, self._labels, strict=True):
            if (image := store.image(item["image"])).shape != label.shape:
                raise PrepareError(
                    f"Image and label of case {item.get('id', item['image'])} differ in size on the training grid: "
                    f"{image.shape} and {label.shape}. Check {item['image']} and {item['label']}."
                )
        if not any(label.foreground(0).any() for label in self._labels):
            raise PrepareError(f"None of {len(items)} cases has foreground. Check the labels and label_map.")

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and label of case number ``index``."""
        image, _ = self._store.image_tensor(self._items[index]["image"])
        return image, torch.from_numpy(np.array(self._labels[index].array(0)))


def one_case(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate function for loaders of :class:`CaseDataset` with ``batch_size=1``; the image becomes (1, 1, X, Y, Z)."""
    if len(batch) != 1:
        raise PrepareError(f"Cases are predicted one at a time. Received: a batch of {len(batch)}. Use batch_size 1.")
    return {**batch[0], "image": batch[0]["image"][None]}


def prepare_case(batch: dict[str, Any], device: torch.device, non_blocking: bool = False, **_: Any) -> tuple[Any, None]:
    """``prepare_batch`` of MONAI evaluators for one case without label."""
    return batch["image"].to(device, non_blocking=non_blocking), None
