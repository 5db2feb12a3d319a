"""Pictures to train on and to predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable
from torch.utils.data import Dataset

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare.augmented_slices import plain_tensors
from atso_monai.prepare.datalist import Item, load_datalist
from atso_monai.prepare.picture_store import PictureStore
from atso_monai.volume_file import case_id

Sample = dict[str, torch.Tensor]


class PictureDataset(Dataset[Sample]):
    """Map-style dataset of random draws: a picture with its label after a random transform.

    All randomness of draw ``i`` comes from ``(seed, i)``: the draws are the same in any order and with any number of
    loader workers. They go through the cases in shuffled rounds, each of which uses every case once.

    Args:
        data: cases as ``{"image": path, "label": path}``, optionally with ``id`` and ``label_map``; or what
            :func:`load_datalist` takes.
        store: where the pictures are, and at which scale.
        transform: dictionary transform (a MONAI ``Compose``, say) on ``image`` (3, h, w) float32 and ``label``
            (1, h, w) uint8; it must bring pictures of different sizes to one, and labels must stay whole numbers. If
            it is ``Randomizable``, its random state is set anew for each draw. None: no change.
        length: number of draws.
        seed: of all draws.

    Raises:
        ConfigError: names the argument that is wrong.
        PrepareError: names the case whose label is missing or of another size than its image.
    """

    def __init__(
        self,
        data: Sequence[Item] | str | os.PathLike[str],
        store: PictureStore,
        transform: Callable[[Sample], Mapping[str, torch.Tensor]] | None,
        length: int,
        seed: int = 0,
    ) -> None:
        if length < 0 or seed < 0:
            raise ConfigError(f"length and seed must be at least 0. Received: {length} and {seed}.")
        self._items = load_datalist(data) if isinstance(data, str | os.PathLike) else tuple(data)
        if not self._items:
            raise PrepareError("There are no pictures to train on. Received: an empty list.")
        if bare := [item.get("id") or item["image"] for item in self._items if not item.get("label")]:
            raise PrepareError(f"Case {bare[0]} has no label: pictures to train on need one.")
        self._store, self._transform, self._length, self._seed = store, transform, length, seed

    def __len__(self) -> int:
        """Return the number of draws."""
        return self._length

    def __getitem__(self, index: int) -> Sample:
        """Return draw ``index``: image (3, h, w) float32 and label (1, h, w) int64."""
        if not 0 <= index < self._length:
            raise IndexError(f"draw must be between 0 and {self._length - 1}. Received: {index}.")
        sample = self._pair(self._items[self._case(index)])
        if self._transform is not None:
            if isinstance(self._transform, Randomizable):
                state = int(np.random.default_rng([self._seed, index]).integers(2**31))
                self._transform.set_random_state(seed=state)
            with plain_tensors():
                sample = dict(self._transform(sample))
        return {"image": sample["image"].float(), "label": sample["label"].long()}

    def _case(self, index: int) -> int:
        """Return the case of a draw: a new shuffle of all cases for every round."""
        turn, place = divmod(index, len(self._items))
        return int(np.random.default_rng([self._seed, turn, 1]).permutation(len(self._items))[place])

    def _pair(self, item: Item) -> Sample:
        image, _ = self._store.image(item["image"])
        label = self._store.label(item["label"], item.get("label_map"))
        if image.shape[1:] != label.shape:
            raise PrepareError(
                f"Image and label of case {item.get('id', item['image'])} differ in size: {tuple(image.shape[1:])} and "
                f"{tuple(label.shape)}. Check {item['image']} and {item['label']}."
            )
        return {"image": image, "label": label[None]}


class PictureCases(Dataset[dict[str, Any]]):
    """Pictures to predict, whole.

    A sample is ``{"id", "image": (3, h, w) float32, "placement"}``, for :func:`~atso_monai.prepare.one_case`.

    Args:
        data: cases as ``{"id", "image": path}``, or what :func:`load_datalist` takes.
        store: where the pictures are, and at which scale.
    """

    def __init__(self, data: Sequence[Item] | str | os.PathLike[str], store: PictureStore) -> None:
        self._items = load_datalist(data) if isinstance(data, str | os.PathLike) else data
        self._store = store

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return picture number ``index``."""
        item = self._items[index]
        image, placement = self._store.image(item["image"])
        return {"id": item.get("id") or case_id(item["image"]), "image": image, "placement": placement}
