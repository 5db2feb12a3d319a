"""A volume as the stack of 2.5D slices of one view, and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import TraceKeys, TransformBackends, ensure_tuple_rep

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms._arrays import Array, as_kind_of, plain_tensor, same_bits
from atso_monai.views import view_axis


def slices_of(volume: torch.Tensor, view: str | int, context: int = 3) -> torch.Tensor:
    """The slices (S, context * C, H, W) of ``volume`` (C, X, Y, Z) along a view, each with its neighbours as channels.

    H and W are the two other axes in their order. Channel ``k * C + c`` is channel c of the slice ``k - context // 2``
    steps further on; beyond the ends the first and last slice repeat themselves.

    Source: OrganSegRSTN (Yu et al., CVPR 2018), three adjacent slices as input.
    """
    axis, context = view_axis(view), odd(context)
    stack = same_bits(volume).movedim(axis + 1, 0)
    steps = torch.arange(context, device=volume.device) - context // 2
    rows = torch.arange(len(stack), device=volume.device)
    index = (rows[:, None] + steps).clamp(0, max(0, len(stack) - 1))
    # contiguous first: each value is then fetched from afar once, not once for each neighbour
    chosen = stack.contiguous().index_select(0, index.flatten())
    return chosen.reshape(len(stack), -1, *stack.shape[2:]).view(volume.dtype)


def volume_of(slices: torch.Tensor, view: str | int) -> torch.Tensor:
    """The volume (K, X, Y, Z) of slice predictions (S, K, H, W); a view of the same memory."""
    return slices.movedim(0, view_axis(view) + 1)


class SliceView(InvertibleTransform):  # type: ignore[misc]
    """Turn a volume (C, X, Y, Z) into the stack (S, context * C, H, W) of its 2.5D slices along a view.

    The inverse takes predictions (S, K, H, W), one for each slice, back to (K, X, Y, Z). The affine of a MetaTensor
    stays that of the volume. See :func:`slices_of` for the order of channels and the ends.

    Args:
        view: "sagittal", "coronal", "axial", or 0, 1, 2: the axis of the RAS volume that the slices lie across.
        context: number of neighbouring slices, odd, the slice itself included; 1 for a label of the slice alone.

    Raises:
        ConfigError: for an unknown view or a context that is not odd and positive.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012

    def __init__(self, view: str | int = "axial", context: int = 3) -> None:
        super().__init__()
        self.view = view_axis(view)
        self.context = odd(context)

    def __call__(self, img: Array, context: int | None = None) -> Array:
        """Slice ``img`` (C, X, Y, Z); ``context`` overrides the one of the constructor.

        Raises:
            PrepareError: when ``img`` has not four axes.
        """
        volume = _four_axes(img, "A volume (C, X, Y, Z)")
        out = as_kind_of(slices_of(volume, self.view, self.context if context is None else context), img)
        if isinstance(out, MetaTensor):
            out = self.push_transform(out, orig_size=tuple(volume.shape[1:]), extra_info={"view": self.view})
        return out

    def inverse(self, data: Array) -> Array:
        """The volume (K, X, Y, Z) of ``data`` (S, K, H, W), without a copy of the values.

        Raises:
            PrepareError: when ``data`` has not four axes, or does not fit the volume that a MetaTensor's record names.
        """
        volume = volume_of(_four_axes(data, "A stack of slices (S, K, H, W)"), self.view)
        out = as_kind_of(volume, data)
        # a prediction need not carry the record, since the view alone says what to do
        if isinstance(out, MetaTensor) and _last_operation(out) == type(self).__name__:
            self._check(out.applied_operations.pop(), tuple(volume.shape[1:]))
        return out

    def _check(self, record: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        native, view = tuple(int(size) for size in record["orig_size"]), int(record["extra_info"]["view"])
        if shape != native or view != self.view:
            raise PrepareError(
                f"The slices were cut along axis {view} of a volume of {native}. "
                f"Received: slices along axis {self.view} for a volume of {shape}."
            )


class SliceViewd(MapTransform, InvertibleTransform):  # type: ignore[misc]
    """Dictionary version of :class:`SliceView`.

    Args:
        keys: the entries to slice, each (C, X, Y, Z).
        view: "sagittal", "coronal", "axial", or 0, 1, 2.
        context: one odd number for all keys, or one for each: ``(3, 1)`` for ("image", "label").
        allow_missing_keys: pass over keys that the dictionary lacks.
    """

    backend = SliceView.backend

    def __init__(
        self,
        keys: KeysCollection,
        view: str | int = "axial",
        context: int | Sequence[int] = 3,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.context = tuple(odd(count) for count in ensure_tuple_rep(context, len(self.keys)))
        self.slicer = SliceView(view)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Slice the entries at ``keys``."""
        out = dict(data)
        for key, context in self.key_iterator(out, self.context):
            out[key] = self.slicer(out[key], context)
        return out

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring the slices at ``keys`` back to volumes."""
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self.slicer.inverse(out[key])
        return out


def odd(context: int) -> int:
    """``context`` itself, when it is an odd positive whole number; ConfigError otherwise."""
    if isinstance(context, bool) or context != int(context) or context < 1 or context % 2 == 0:
        raise ConfigError(f"context must be an odd number of slices: 1, 3, 5, ... Received: {context!r}.")
    return int(context)


def _last_operation(volume: MetaTensor) -> str:
    return str(volume.applied_operations[-1][TraceKeys.CLASS_NAME]) if volume.applied_operations else ""


def _four_axes(array: Array, wanted: str) -> torch.Tensor:
    tensor = plain_tensor(array)
    if tensor.ndim != 4:
        raise PrepareError(f"{wanted} is needed. Received: shape {tuple(tensor.shape)}.")
    return tensor
