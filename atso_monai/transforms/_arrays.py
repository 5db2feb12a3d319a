"""The three kinds of array that MONAI passes around, and the way back to the kind that came in."""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaObj, MetaTensor, get_track_meta

NumpyArray: TypeAlias = npt.NDArray[Any]
Array: TypeAlias = NumpyArray | torch.Tensor  # torch.Tensor covers MetaTensor

_SAME_BITS = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def plain_tensor(array: Array) -> torch.Tensor:
    """The values as a plain tensor without metadata; memory is shared wherever torch can read it."""
    if isinstance(array, MetaTensor):
        return array.as_tensor()  # type: ignore[no-any-return]
    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        # read-only memory maps are the normal case here, and no caller writes to what it got from this function
        warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
        return torch.from_numpy(array)


def plain_numpy(array: Array) -> NumpyArray:
    """The values as a numpy array, shared where they lie in main memory; bfloat16 becomes float32."""
    if not isinstance(array, torch.Tensor):
        return np.asarray(array)
    values = plain_tensor(array).detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def as_kind_of(result: Array, like: Array) -> Array:
    """``result`` as the kind of array that ``like`` is, on its device and with a copy of its metadata.

    A MetaTensor comes back as a plain tensor under ``set_track_meta(False)``, as in MONAI's own transforms.
    """
    if not isinstance(like, torch.Tensor):
        return result.numpy() if isinstance(result, torch.Tensor) else result
    tensor = plain_tensor(result).to(like.device)
    return with_meta_of(tensor, like) if isinstance(like, MetaTensor) and get_track_meta() else tensor


def with_meta_of(tensor: torch.Tensor, like: MetaTensor) -> MetaTensor:
    """A MetaTensor over ``tensor`` whose metadata is a copy of that of ``like``, two levels deep.

    MONAI shares the items of ``meta`` between copies and then writes to ``pixdim``; the input would change.
    """
    out = MetaTensor(tensor).copy_meta_from(like)
    out.meta = {key: MetaObj.copy_items(value) for key, value in out.meta.items()}
    return out


def same_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Wide unsigned tensors seen as signed ones: torch can index and fill only these. View back by ``.view(dtype)``."""
    return tensor.view(_SAME_BITS.get(tensor.dtype, tensor.dtype))
