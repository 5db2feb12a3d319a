"""One prediction out of those of several views."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from atso_monai.errors import ConfigError
from atso_monai.transforms._arrays import Array, as_kind_of, plain_tensor
from atso_monai.transforms._fusion import label_vote, mean_of, probability_vote

_AFFINE_TOLERANCE = 1e-3  # mm


class FuseViews(Transform):  # type: ignore[misc]
    """Fuse the volumes that the networks of several views predicted for one case.

    - "mean": volumes (K, X, Y, Z) of probabilities -> their mean, float32 (float64 where an input is).
    - "vote" of labels: volumes (1, X, Y, Z) of whole numbers, of one dtype -> the value that most views gave. A tie
      (three views of three opinions, two views of two) goes to the lowest value, so to the background 0 where it is
      among them. ``VoteEnsemble(num_classes=...)`` gives the same, in more time and memory.
    - "vote" of probabilities: volumes (K, X, Y, Z), K > 1 -> labels (1, X, Y, Z), uint8 up to 256 classes, else int64.
      Each view votes for its most probable class; a tie goes to the tied class with the highest mean probability, and
      to the lowest index where that is equal too.

    The result is of the kind, on the device, and with the metadata of the first view. Inputs are worked through in
    parts, so memory grows by little more than the result.

    Source: ATSO, section 4.1 (majority vote of three views); OrganSegRSTN (Yu et al., CVPR 2018; mean of the scores).

    Args:
        mode: "mean" or "vote".

    Raises:
        ConfigError: for another mode.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(self, mode: str = "mean") -> None:
        if mode not in ("mean", "vote"):
            raise ConfigError(f"mode must be 'mean' or 'vote'. Received: {mode!r}.")
        self.mode = mode

    def __call__(self, views: Sequence[Array] | Array) -> Array:
        """Fuse ``views``: a sequence of volumes of one shape (K, X, Y, Z), or one array (E, K, X, Y, Z) of E views.

        Raises:
            ValueError: when there is no view, shapes or affines differ, labels to vote on are not whole numbers of one
                dtype, or probabilities to vote on are not floats.
        """
        items = list(views)
        _check(items)
        tensors = [plain_tensor(item) for item in items]
        return as_kind_of(_fused(tensors, self.mode), items[0])


class FuseViewsd(MapTransform):  # type: ignore[misc]
    """Dictionary version of :class:`FuseViews`.

    Args:
        keys: the entries of the views; a single key holds all views, stacked (E, K, X, Y, Z) or in a list.
        mode: "mean" or "vote".
        output_key: where the result goes; needed with more than one key, else the key itself.
        allow_missing_keys: fuse those views that there are.

    Raises:
        ConfigError: for an unknown mode, or several keys without ``output_key``.
    """

    backend = FuseViews.backend

    def __init__(
        self,
        keys: KeysCollection,
        mode: str = "mean",
        output_key: Hashable | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if output_key is None and len(self.keys) > 1:
            raise ConfigError(f"output_key is needed to fuse several keys. Received: keys {self.keys}.")
        self.output_key = self.keys[0] if output_key is None else output_key
        self.fuse = FuseViews(mode)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Fuse the entries at ``keys`` into ``output_key``; with every key missing and allowed, nothing is done."""
        out = dict(data)
        views = [out[key] for key in self.key_iterator(out)]
        if views:
            out[self.output_key] = self.fuse(views[0] if len(self.keys) == 1 else views)
        return out


def _fused(views: Sequence[torch.Tensor], mode: str) -> torch.Tensor:
    if mode == "mean":
        return mean_of(views)
    if len(views[0]) == 1:
        if len(dtypes := {view.dtype for view in views}) > 1:
            raise ValueError(f"Labels to vote on must have one dtype. Received: {sorted(map(str, dtypes))}.")
        return label_vote(views)
    if not all(view.is_floating_point() for view in views):
        raise ValueError(
            "Several channels are voted on as class probabilities, which must be floats. "
            f"Received: {views[0].dtype} of shape {tuple(views[0].shape)}. Labels need the shape (1, X, Y, Z)."
        )
    return probability_vote(views)


def _check(views: Sequence[Array]) -> None:
    shapes = [tuple(view.shape) for view in views]
    if len(set(shapes)) != 1 or len(shapes[0]) < 2:
        raise ValueError(f"The views must be volumes (K, X, Y, Z) of one shape, at least one. Received: {shapes}.")
    affines = [view.affine for view in views if isinstance(view, MetaTensor)]
    for affine in affines[1:]:
        if not torch.allclose(affine, affines[0], rtol=0, atol=_AFFINE_TOLERANCE):
            raise ValueError(
                "The views must lie on one grid. Received affines that differ:\n"
                f"{affines[0].tolist()}\n{affine.tolist()}\nBring them back to the native grid first."
            )
