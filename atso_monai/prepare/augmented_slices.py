"""Slices of volumes that are augmented in 3D: every draw deforms one volume and takes a handful of its slices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import numpy as np
import torch
from monai.data import get_track_meta, set_track_meta
from monai.transforms import Randomizable
from torch.utils.data import Dataset

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare.case_dataset import LabelledVolumes
from atso_monai.prepare.datalist import Item
from atso_monai.prepare.store import VolumeStore
from atso_monai.views import view_axis

Transform = Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]]


class Volumes(Protocol):
    """A sequence of prepared cases: (image (X, Y, Z) float32, already normalised; label (X, Y, Z) uint8)."""

    def __len__(self) -> int:
        """Return the number of cases."""

    def __getitem__(self, index: int, /) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label of one case."""


class AugmentedSlices(Dataset[dict[str, torch.Tensor]]):
    """Map-style dataset of random draws; a draw is several slices of one volume after one random 3D transform.

    One resampling in 3D pays for all slices of a draw, and gives what 2D augmentation cannot: rotations out of
    the plane, and neighbour slices that stay consistent. All randomness of draw ``i`` comes from ``(seed, i)``: the
    draws are the same in any order and with any number of loader workers. They go through the cases in shuffled
    rounds, each of which uses every case once.

    Args:
        data: the cases: what :class:`LabelledVolumes` takes, with a ``store``; or, without one, :class:`Volumes`. They
            have one size, unless ``transform`` brings them to one.
        transform: dictionary transform (a MONAI ``Compose``, say) on ``image`` and ``label``, both (1, X, Y, Z);
            labels must stay whole numbers, so resample them with ``nearest``. If it is ``Randomizable``, its random
            state is set anew for each draw; any other source of randomness in it is not controlled. None: no change.
        view: axis of the slices, by name (sagittal, coronal, axial) or number (0, 1, 2) in RAS.
        context: odd number of neighbouring slices that form the channels; the label is that of the middle one. At
            the ends of the volume the last slice repeats itself.
        slices: slices per draw, drawn without repetition as long as the volume has as many.
        length: number of draws.
        foreground: share of the slices, 0 to 1, that is drawn among those with foreground after the transform; the
            rest is drawn among all slices.
        seed: seed of all draws.
        store: where the volumes are, on which grid and with which intensity.

    Raises:
        ConfigError: names the argument that is wrong.
        PrepareError: when there are no volumes.
    """

    items_by_index = True
    """Draw ``i`` is the same whenever it is read, so a loader may skip draws without reading them."""

    def __init__(
        self,
        data: Volumes | Sequence[Item] | str | os.PathLike[str],
        transform: Transform | None,
        view: int | str,
        context: int = 3,
        slices: int = 24,
        length: int = 1200,
        foreground: float = 0.0,
        seed: int = 0,
        store: VolumeStore | None = None,
    ) -> None:
        volumes = cast(Volumes, data) if store is None else LabelledVolumes(cast(Sequence[Item], data), store)
        if not len(volumes):
            raise PrepareError("There are no cases to take slices from. Received: no volumes.")
        _check(context, slices, length, foreground, seed)
        self.volumes = volumes
        self.transform = transform
        self.axis = view_axis(view)
        self.context = context
        self.slices = slices
        self.length = length
        self.foreground = foreground
        self.seed = seed

    def __len__(self) -> int:
        """Return the number of draws."""
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return draw ``index``: image (slices, context, H, W) float32 and label (slices, 1, H, W) int64."""
        if not 0 <= index < self.length:
            raise IndexError(f"draw must be between 0 and {self.length - 1}. Received: {index}.")
        random = np.random.default_rng([self.seed, index])
        image, label = self.volumes[self._case(index)]
        image, label = self._augmented(image, label, int(random.integers(2**31)))
        image, label = image.movedim(self.axis, 0), label.movedim(self.axis, 0)
        chosen = choose_slices(label, self.slices, self.foreground, random)
        return {"image": with_neighbours(image, chosen, self.context), "label": label[chosen, None].long()}

    def _case(self, index: int) -> int:
        """Return the case of a draw: a new shuffle of all cases for every round of ``len(volumes)`` draws."""
        turn, place = divmod(index, len(self.volumes))
        return int(np.random.default_rng([self.seed, turn, 1]).permutation(len(self.volumes))[place])

    def _augmented(self, image: torch.Tensor, label: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the transform to copies of both (X, Y, Z) volumes, with its random state set to ``seed``."""
        if self.transform is None:
            return image, label
        if isinstance(self.transform, Randomizable):
            self.transform.set_random_state(seed=seed)
        with plain_tensors():
            result = self.transform({"image": image[None].clone(), "label": label[None].clone()})
        return result["image"][0].float(), result["label"][0]


def collate_draws(draws: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Join draws to one batch along the slices: image (N, context, H, W), label (N, 1, H, W).

    Raises:
        PrepareError: when the draws have slices of different sizes.
    """
    sizes = {tuple(draw["image"].shape[1:]) for draw in draws}
    if len(sizes) > 1:
        raise PrepareError(
            f"The slices of a batch must be of one size. Received (channels, H, W): {sorted(sizes)}. "
            "Set size in the TrainingGrid, or a batch size of 1."
        )
    return {key: torch.cat([draw[key] for draw in draws]) for key in ("image", "label")}


def choose_slices(label: torch.Tensor, count: int, foreground: float, random: np.random.Generator) -> torch.Tensor:
    """Draw ``count`` slice numbers of a label (slices, H, W), ``foreground`` of them among slices with foreground.

    Each of the two parts is free of repetitions as long as there are enough slices to draw from.
    """
    everywhere = np.arange(len(label))
    filled = np.flatnonzero(label.flatten(1).any(1).numpy())
    wanted = round(count * foreground) if len(filled) else 0
    first = _draw(filled, wanted, random)
    rest = np.setdiff1d(everywhere, first)
    return torch.from_numpy(np.concatenate([first, _draw(rest if len(rest) else everywhere, count - wanted, random)]))


def with_neighbours(image: torch.Tensor, chosen: torch.Tensor, context: int) -> torch.Tensor:
    """Gather slices (n,) of an image (slices, H, W) with their neighbours as channels: (n, context, H, W)."""
    offsets = torch.arange(context) - context // 2
    return image[(chosen[:, None] + offsets).clamp(0, len(image) - 1)]


@contextmanager
def plain_tensors() -> Iterator[None]:
    """Let MONAI transforms return plain tensors inside the block, and restore the setting after it.

    MONAI keeps this switch per process, so other threads see it too while the block runs. The bookkeeping of
    MetaTensor costs as much as the small transforms themselves.
    """
    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)


def _draw(pool: np.ndarray[Any, np.dtype[np.int64]], count: int, random: np.random.Generator) -> Any:
    """Draw ``count`` entries of ``pool``, with repetitions only where it is too small."""
    return random.choice(pool, count, replace=count > len(pool))


def _check(context: int, slices: int, length: int, foreground: float, seed: int) -> None:
    rules = [
        (context % 2 == 1 and context > 0, f"context must be an odd number of slices. Received: {context}."),
        (slices > 0, f"slices must be at least 1. Received: {slices}."),
        (length >= 0, f"length must be at least 0. Received: {length}."),
        (0 <= foreground <= 1, f"foreground must be a share from 0 to 1. Received: {foreground}."),
        (seed >= 0, f"seed must be at least 0. Received: {seed}."),
    ]
    for holds, message in rules:
        if not holds:
            raise ConfigError(message)
