"""Bring the distance between slices to one value for all scans, and back."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import TransformBackends, ensure_tuple_rep

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms._arrays import Array, as_kind_of, plain_tensor
from atso_monai.transforms._grid import axis_step, set_affine, zoomed_affine
from atso_monai.transforms._resample import resample_axis, sample_positions
from atso_monai.views import view_axis

MODES = {"linear": "linear", "bilinear": "linear", "nearest": "nearest"}


class NormalizeSliceSpacing(InvertibleTransform):  # type: ignore[misc]
    """Resample a volume along one axis to a given distance between slice centres; the other axes stay as they are.

    Alignment: the physical centre of the volume stays where it is. ``m = max(1, floor(n s / d + 1/2))`` slices of
    distance ``d`` replace ``n`` of distance ``s``, so the extents differ by at most ``d / 4`` at either end, the
    distance is exact, and going back treats both ends alike. New slices beyond the first or last old slice
    centre (by less than ``s / 2``) repeat that slice. No low-pass filter is applied before thinning out.

    The inverse returns the native shape and affine exactly, with values interpolated the same way; ``Invertd`` turns it
    to nearest unless ``nearest_interp=False``.

    Source: ATSO, section 5.1: "we normalize the inter-slice distance along the long axis during training and
    testing, but rescale the final output to the original size".

    Args:
        distance: distance between slice centres of the result in mm (norm of the affine's column).
        axis: spatial axis of the array, 0 to 2, or the view's name; 2 is the long axis of an RAS body scan.
        mode: "linear" (images, probabilities; integers come back as float32) or "nearest" (labels; dtype kept; a point
            half way between two slices takes the later one). "bilinear" is MONAI's word for "linear".
        native_distance: distance between slices in mm of inputs that carry no affine (numpy arrays, plain tensors);
            None refuses them, since any silent guess would be wrong.

    Raises:
        ConfigError: for a distance that is not positive, an unknown axis or mode.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(
        self, distance: float, axis: str | int = 2, mode: str = "linear", native_distance: float | None = None
    ) -> None:
        super().__init__()
        self.distance = _positive("distance", distance)
        self.axis = view_axis(axis)
        self.mode = _mode(mode)
        self.native_distance = None if native_distance is None else _positive("native_distance", native_distance)

    def __call__(self, img: Array, mode: str | None = None) -> Array:
        """Resample ``img`` (C, X, Y, Z); ``mode`` overrides the one of the constructor.

        Raises:
            PrepareError: when ``img`` is not (C, X, Y, Z), has an empty axis or an unusable affine, or carries no
                affine and no ``native_distance`` is set.
        """
        mode = self.mode if mode is None else _mode(mode)
        volume = plain_tensor(img)
        if volume.ndim != 4 or 0 in volume.shape:
            raise PrepareError(f"A volume (C, X, Y, Z) is needed. Received: shape {tuple(volume.shape)}.")
        size = volume.shape[self.axis + 1]
        step = axis_step(self._native(img), self.distance)
        count = max(1, math.floor(size / step + 0.501))  # halves go up, with room for the float32 of headers
        out = as_kind_of(resample_axis(volume, sample_positions(count, size, step), self.axis + 1, mode), img)
        return self._tracked(img, out, mode, step) if isinstance(out, MetaTensor) else out

    def inverse(self, data: MetaTensor) -> Array:
        """Bring ``data`` (K, X, Y, Z) back to the native slices, by the record that this transform left on it.

        Raises:
            PrepareError: when ``data`` is no MetaTensor, or its slices are not as many as this transform made.
        """
        if not isinstance(data, MetaTensor):
            raise PrepareError(
                f"Slices can be brought back only by the record on a MetaTensor. Received: {type(data).__name__}. "
                "Hand over the MetaTensor that this transform gave, or use Invertd."
            )
        info = self.get_most_recent_transform(data)
        out = as_kind_of(_native_slices(data, info), data)
        if isinstance(out, MetaTensor):
            self.pop_transform(out)
            set_affine(out, info["extra_info"]["native_affine"])
        return out

    def _native(self, img: Array) -> float:
        if isinstance(img, MetaTensor):
            return float(torch.linalg.vector_norm(img.affine[:3, self.axis]))
        if self.native_distance is None:
            raise PrepareError(
                f"The distance between slices is unknown: a {type(img).__name__} carries no affine. "
                "Hand over a MetaTensor, or set native_distance in mm."
            )
        return self.native_distance

    def _tracked(self, img: MetaTensor, out: MetaTensor, mode: str, step: float) -> MetaTensor:
        native, slices = img.affine.clone(), out.shape[self.axis + 1]
        info = {"mode": mode, "axis": self.axis, "step": step, "slices": slices, "native_affine": native}
        out = self.push_transform(out, orig_size=tuple(img.shape[1:]), extra_info=info)
        set_affine(out, zoomed_affine(native, self.axis, img.shape[self.axis + 1], slices, step))
        return out


class NormalizeSliceSpacingd(MapTransform, InvertibleTransform):  # type: ignore[misc]
    """Dictionary version of :class:`NormalizeSliceSpacing`.

    Args:
        keys: the entries to resample, each (C, X, Y, Z).
        distance: distance between slice centres of the result in mm.
        axis: spatial axis of the array, 0 to 2, or the view's name.
        mode: one mode for all keys, or one for each: ``("linear", "nearest")`` for ("image", "label").
        native_distance: distance between slices in mm of inputs that carry no affine.
        allow_missing_keys: pass over keys that the dictionary lacks.
    """

    backend = NormalizeSliceSpacing.backend

    def __init__(
        self,
        keys: KeysCollection,
        distance: float,
        axis: str | int = 2,
        mode: str | Sequence[str] = "linear",
        native_distance: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mode = tuple(_mode(name) for name in ensure_tuple_rep(mode, len(self.keys)))
        self.resampler = NormalizeSliceSpacing(distance, axis, native_distance=native_distance)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample the entries at ``keys``."""
        out = dict(data)
        for key, mode in self.key_iterator(out, self.mode):
            out[key] = self.resampler(out[key], mode)
        return out

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring the entries at ``keys`` back to their native slices."""
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self.resampler.inverse(out[key])
        return out


def _native_slices(data: MetaTensor, info: Mapping[str, Any]) -> torch.Tensor:
    extra = info["extra_info"]
    axis, slices, step = int(extra["axis"]), int(extra["slices"]), float(extra["step"])
    if data.shape[axis + 1] != slices:
        raise PrepareError(
            f"Axis {axis} must have the {slices} slices that the resampling made. Received: {data.shape[axis + 1]}. "
            "Undo later crops and pads first; Compose.inverse and Invertd do so."
        )
    positions = sample_positions(int(info["orig_size"][axis]), slices, 1 / step)
    return resample_axis(data.as_tensor(), positions, axis + 1, _mode(extra["mode"]))


def _mode(mode: str) -> str:
    if mode not in MODES:
        raise ConfigError(f"mode must be 'linear' or 'nearest'. Received: {mode!r}.")
    return MODES[mode]


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} must be a positive number of mm. Received: {value!r}.")
    return float(value)
