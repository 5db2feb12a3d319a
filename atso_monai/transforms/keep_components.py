"""Drop small islands of a segmentation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from atso_monai.errors import ConfigError
from atso_monai.transforms._arrays import Array, NumpyArray, as_kind_of, plain_numpy, plain_tensor, same_bits

Mask = npt.NDArray[np.bool_]


def large_components(labels: NumpyArray, fraction: float = 0.5, independent: bool = True) -> Mask:
    """Where the voxels lie that :class:`KeepComponents` keeps, for ``labels`` (X, Y, Z) or (H, W), 0 background."""
    keep = np.zeros(labels.shape, dtype=np.bool_)
    box = _box(labels != 0)
    region, inner = labels[box], keep[box]
    if not independent:
        inner |= _large(region != 0, fraction)
        return keep
    for value in np.unique(region):
        if value != 0:
            inner |= _large(region == value, fraction)
    return keep


class KeepComponents(Transform):  # type: ignore[misc]
    """Keep the components that are at least a fraction as large as the largest one; all else becomes background 0.

    Components are voxels joined by their faces (6 neighbours; 4 in 2D). With the default fraction of a half, a second
    piece of nearly the same size survives, which MONAI's KeepLargestConnectedComponent would drop.

    Source: the coarse-to-fine testing of OrganSegRSTN (Yu et al., CVPR 2018).

    Args:
        fraction: smallest size kept, as a part of the largest component's number of voxels, 0 to 1.
        independent: judge each foreground label on its own; False judges the union of all, and kept components keep
            their labels.

    Raises:
        ConfigError: for a fraction outside of 0 to 1.
    """

    backend = [TransformBackends.NUMPY, TransformBackends.TORCH]  # noqa: RUF012

    def __init__(self, fraction: float = 0.5, independent: bool = True) -> None:
        if not 0 <= fraction <= 1:
            raise ConfigError(f"fraction must lie between 0 and 1. Received: {fraction!r}.")
        self.fraction = fraction
        self.independent = independent

    def __call__(self, img: Array) -> Array:
        """Clean labels ``img`` (1, X, Y, Z) or (1, H, W), any dtype; the result keeps kind, dtype and metadata.

        Raises:
            ValueError: when ``img`` has another shape, such as one-hot channels.
        """
        if img.ndim not in (3, 4) or img.shape[0] != 1:
            raise ValueError(
                f"Labels (1, X, Y, Z) or (1, H, W) are needed. Received: shape {tuple(img.shape)}. "
                "Take the argmax of one-hot channels first."
            )
        keep = large_components(plain_numpy(img)[0], self.fraction, self.independent)
        labels = plain_tensor(img)
        drop = torch.from_numpy(~keep[None]).to(labels.device)
        return as_kind_of(same_bits(labels).masked_fill(drop, 0).view(labels.dtype), img)


class KeepComponentsd(MapTransform):  # type: ignore[misc]
    """Dictionary version of :class:`KeepComponents`.

    Args:
        keys: the entries to clean, each (1, X, Y, Z) or (1, H, W).
        fraction: smallest size kept, as a part of the largest component's number of voxels.
        independent: judge each foreground label on its own.
        allow_missing_keys: pass over keys that the dictionary lacks.
    """

    backend = KeepComponents.backend

    def __init__(
        self, keys: KeysCollection, fraction: float = 0.5, independent: bool = True, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.keep = KeepComponents(fraction, independent)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Clean the entries at ``keys``."""
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self.keep(out[key])
        return out


def _large(mask: Mask, fraction: float) -> Mask:
    """The voxels of ``mask`` in components of at least ``fraction`` times the largest size."""
    large = np.zeros_like(mask)
    box = _box(mask)
    if not mask[box].size:
        return large
    components = cc3d.connected_components(mask[box], connectivity=6 if mask.ndim == 3 else 4)
    sizes = np.bincount(components.ravel(order="K"))
    sizes[0] = 0
    # the tolerance lets a size that is exactly the fraction pass, whatever the product's last bit says
    keep = (sizes > 0) & (sizes >= fraction * sizes.max() * (1 - 1e-12))
    large[box] = keep[components]
    return large


def _box(mask: Mask) -> tuple[slice, ...]:
    """The bounding box of the true voxels, empty slices where there are none."""
    box = []
    for axis in range(mask.ndim):
        hits = np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        box.append(slice(hits[0], hits[-1] + 1) if len(hits) else slice(0, 0))
    return tuple(box)
