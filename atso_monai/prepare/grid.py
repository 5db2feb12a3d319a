"""From a file's own grid to the training grid and back.

The training grid has RAS axes (0 sagittal, 1 coronal, 2 axial), optionally one spacing per axis and one size for all
cases. Reorientation, crop and pad move voxels without changing them; only a changed spacing interpolates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare.placement import Placement, Triple
from atso_monai.prepare.sampling import AxisMap, resample_linear, resample_nearest

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TrainingGrid:
    """Spacing and size that all cases of a training get; what is None stays as each file has it.

    Attributes:
        spacing: mm per RAS axis. The extent of a volume stays what it is, so the number of voxels is rounded and the
            real spacing may differ from this by half a voxel over the whole axis.
        size: voxels per RAS axis; volumes are cropped or padded around their centre, as
            monai.transforms.ResizeWithPadOrCrop does.
        crop: False only pads. That is what prediction needs: networks with normalisation layers expect the padding
            that they were trained with, and nothing of a scan may go unlabelled.

    Raises:
        ConfigError: when there are not three entries, or one is not positive.
    """

    spacing: tuple[float | None, ...] | None = None
    size: tuple[int | None, ...] | None = None
    crop: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "spacing", _three("spacing", self.spacing, float))
        object.__setattr__(self, "size", _three("size", self.size, int))


def place(shape: Sequence[int], affine: npt.ArrayLike, grid: TrainingGrid) -> Placement:
    """How a volume of ``shape`` voxels with ``affine`` (4x4, RAS mm) goes onto ``grid``.

    Raises:
        PrepareError: for anything but three axes, or an affine that is not finite and invertible.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise PrepareError(f"A volume must have three axes with voxels. Received: shape {tuple(shape)}.")
    matrix = np.asarray(affine, dtype=np.float64)
    orientation = _orientation(matrix)
    native_spacing = np.sqrt((matrix[:3, :3] ** 2).sum(axis=0))
    oriented, spacing = [0] * 3, [0.0] * 3
    for native, (axis, _) in enumerate(orientation):
        oriented[axis], spacing[axis] = shape[native], float(native_spacing[native])
    asked = grid.spacing or (None,) * 3
    resampled = tuple(
        n if new is None else _count(n, old, new) for n, old, new in zip(oriented, spacing, asked, strict=True)
    )
    sizes = tuple(
        n if size is None else size if grid.crop else max(n, size)
        for n, size in zip(resampled, grid.size or (None,) * 3, strict=True)
    )
    offset = tuple(_offset(n, size) for n, size in zip(resampled, sizes, strict=True))
    return Placement(
        native_shape=_triple(shape),
        native_affine=tuple(tuple(float(v) for v in row) for row in matrix),
        orientation=orientation,
        resampled=_triple(resampled),
        offset=_triple(offset),
        shape=_triple(sizes),
    )


def to_training_grid(
    array: Array, affine: npt.ArrayLike, grid: TrainingGrid, *, order: int, fill: float | None = None
) -> tuple[Array, Placement]:
    """Put a volume on the training grid.

    Args:
        array: (X, Y, Z) on the file's own grid.
        affine: 4x4, RAS mm.
        grid: where to put it.
        order: 1 for images (linear), 0 for labels (nearest).
        fill: value of padded voxels; None is the minimum of the cropped volume for images and 0 for labels.

    Returns:
        A new C-contiguous array with RAS axes, of the same dtype (float32 where interpolated), and its placement.

    Raises:
        PrepareError: see :func:`place`.
    """
    placement = place(array.shape, affine, grid)
    oriented, maps = placement.oriented(array), placement.forward()
    smooth = order > 0 and not all(one.same for one in maps)
    out = np.empty(placement.shape, dtype=np.float32 if smooth else array.dtype)
    interior = out[placement.interior]
    if smooth:
        for rows, slab in resample_linear(oriented, maps):
            interior[rows] = slab
    else:
        interior[...] = resample_nearest(oriented, maps)
    if interior.shape != out.shape:
        _pad(out, placement, (interior.min() if order else 0) if fill is None else fill)
    return out, placement


def labels_to_native(array: npt.ArrayLike | Tensor, placement: Placement) -> npt.NDArray[np.uint8]:
    """Bring a label volume back to its file's own grid.

    Args:
        array: (X, Y, Z) class indices from 0 to 255 on the training grid; integers or booleans.
        placement: what :func:`to_training_grid` gave for the case.

    Returns:
        Class indices of shape ``placement.native_shape``: nearest voxels where the spacing was changed, and 0 outside
        of the crop.

    Raises:
        PrepareError: when shape or values do not fit.
    """
    labels = _as_array(array)
    _expect(labels.shape, placement.shape, "a label volume on the training grid")
    if labels.dtype.kind not in "iub" or (labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= 255):
        raise PrepareError(f"Labels must be integers from 0 to 255. Received: {_range(labels)}. Take the argmax first.")
    native = np.zeros(placement.native_shape, dtype=np.uint8)
    maps = placement.backward()
    placement.oriented(native)[_wanted(maps)] = resample_nearest(labels[placement.interior], maps)
    return native


def probabilities_to_native(array: npt.ArrayLike | Tensor, placement: Placement) -> npt.NDArray[np.uint8]:
    """Bring class probabilities back to the file's own grid and take the most probable class there.

    Args:
        array: (C, X, Y, Z) probabilities (or logits, if C > 1) on the training grid. One channel alone is the
            probability of foreground: class 1 where it is at least 0.5.
        placement: what :func:`to_training_grid` gave for the case.

    Returns:
        Class indices of shape ``placement.native_shape``: the argmax after linear interpolation, the lowest class
        where several are equal, and 0 outside of the crop.

    Raises:
        PrepareError: when the shape does not fit.
    """
    scores = _as_array(array)
    _expect(scores.shape[1:], placement.shape, "(C, X, Y, Z) probabilities on the training grid")
    native = np.zeros(placement.native_shape, dtype=np.uint8)
    maps = placement.backward()
    target = placement.oriented(native)[_wanted(maps)]
    for rows, slab in resample_linear(scores[(slice(None), *placement.interior)], maps):
        target[rows] = slab[0] >= 0.5 if len(slab) == 1 else slab.argmax(axis=0)
    return native


def _as_array(values: npt.ArrayLike | Tensor) -> Array:
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return np.asarray(values.float() if values.dtype == torch.bfloat16 else values)  # numpy has no bfloat16


def _orientation(affine: npt.NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    from nibabel.orientations import io_orientation

    good = affine.shape == (4, 4) and bool(np.isfinite(affine).all())
    rows = io_orientation(affine) if good and abs(np.linalg.det(affine[:3, :3])) > 0 else np.full((3, 2), np.nan)
    if not np.isfinite(rows).all():
        raise PrepareError(
            f"The affine must be 4x4, finite and invertible. Received: {affine.tolist()}. Repair the file's header."
        )
    return tuple((int(axis), int(sign)) for axis, sign in rows)


def _count(count: int, spacing: float, wanted: float) -> int:
    """Voxels after resampling; halves go up, with room for the rounding of float32 headers."""
    return max(1, math.floor(count * spacing / wanted + 0.501))


def _offset(count: int, size: int) -> int:
    return count // 2 - size // 2 if size <= count else -((size - count) // 2)


def _pad(out: Array, placement: Placement, fill: float) -> None:
    """Fill everything outside of the interior."""
    for axis, inside in enumerate(placement.interior):
        before = (slice(None),) * axis
        out[(*before, slice(0, inside.start))] = fill
        out[(*before, slice(inside.stop, None))] = fill


def _wanted(maps: Sequence[AxisMap]) -> tuple[slice, ...]:
    return tuple(slice(*one.wanted) for one in maps)


def _three(name: str, values: Sequence[Any] | None, kind: type) -> tuple[Any, ...] | None:
    if values is None:
        return None
    try:
        entries = tuple(None if v is None else kind(v) for v in values)
    except (TypeError, ValueError):
        entries = ()
    if len(entries) != 3 or not all(v is None or 0 < v < math.inf for v in entries):
        raise ConfigError(f"{name} must have three positive entries, or None for those to keep. Received: {values!r}.")
    return entries


def _triple(values: Sequence[int]) -> Triple:
    x, y, z = (int(v) for v in values)
    return x, y, z


def _expect(found: Sequence[int], wanted: Sequence[int], what: str) -> None:
    if tuple(found) != tuple(wanted):
        raise PrepareError(f"Expected {what} of {tuple(wanted)} voxels. Received: {tuple(found)}.")


def _range(labels: Array) -> str:
    return f"{labels.dtype} from {labels.min()} to {labels.max()}" if labels.size else f"empty {labels.dtype}"
