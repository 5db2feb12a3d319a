"""Exact replacement of values in arrays of any integer or float dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms._arrays import NumpyArray

LookUp: TypeAlias = Callable[[NumpyArray], tuple[NumpyArray, NumpyArray]]

_CHUNK = 1 << 18
_NAMED = 10  # values that an error message lists


def whole(value: Any, name: str) -> int:
    """``value`` as an int: a whole number of any kind, or its decimal text; ConfigError otherwise."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or (not isinstance(value, str) and number != value):
        raise ConfigError(f"{name} must hold whole numbers. Received: {value!r}.")
    return number


def fits(value: int, dtype: np.dtype[Any]) -> bool:
    """Whether ``dtype`` holds ``value`` exactly."""
    if dtype.kind == "b":
        return value in (0, 1)
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min) <= value <= int(np.iinfo(dtype).max)
    with np.errstate(over="ignore"):
        held = float(np.array(float(value)).astype(dtype))
    return bool(np.isfinite(held)) and int(held) == value


def map_values(
    array: NumpyArray, mapping: Mapping[int, int], others: str | int, dtype: np.dtype[Any] | type | None = None
) -> NumpyArray:
    """A new array, values replaced by ``mapping``; arguments as for :class:`atso_monai.transforms.MapLabels`.

    Raises:
        PrepareError: for values that ``mapping`` lacks with ``others="error"``, or kept ones that ``dtype`` cannot
            hold.
        ConfigError: when the dtype of the result cannot hold a value of ``mapping`` or ``others``.
    """
    if array.dtype.kind not in "biuf":
        raise PrepareError(f"Labels must be whole numbers. Received: dtype {array.dtype}.")
    target = np.dtype(array.dtype if dtype is None else dtype)
    _check_targets([*mapping.values(), *([others] if isinstance(others, int) else [])], target)
    out = np.empty_like(array, dtype=target, subok=False)
    look_up = _table(array.dtype, mapping, target)
    unknown: set[Any] = set()
    for index in _slabs(array):
        part = array[index]
        values, hit = look_up(part)
        if others == "error":
            unknown.update(np.unique(part[~hit]).tolist() if len(unknown) <= _NAMED else ())
        out[index] = values if hit.all() else np.where(hit, values, _rest(part, hit, others, target))
    if unknown:
        _refuse(unknown, mapping)
    return out


def _table(dtype: np.dtype[Any], mapping: Mapping[int, int], target: np.dtype[Any]) -> LookUp:
    """A function that gives the targets for an array of ``dtype``, and where there is one."""
    # of the keys only those that the array's dtype can hold, as no other occurs
    pairs = sorted((old, new) for old, new in mapping.items() if fits(old, dtype)) or [(0, 0)]
    keys = np.array([old for old, _ in pairs], dtype=dtype)
    targets = np.array([new for _, new in pairs], dtype=target)
    known = np.array([old in mapping for old, _ in pairs])

    def search(part: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        index = np.minimum(np.searchsorted(keys, part), len(keys) - 1)
        return targets[index], known[index] & (keys[index] == part)

    if dtype.itemsize > 2 or dtype.kind not in "iu":
        return search
    # a byte or two: every value that can occur is looked up beforehand, addressed by its bits
    bits = np.dtype(f"u{dtype.itemsize}").newbyteorder(dtype.byteorder)
    values, hits = search(np.arange(1 << 8 * dtype.itemsize, dtype=bits).view(dtype))

    def direct(part: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
        index = part.view(bits)
        return values[index], hits[index]

    return direct


def _slabs(array: NumpyArray) -> Iterator[tuple[slice, ...]]:
    """Index tuples that cut ``array`` along the axis that is slowest in memory."""
    axis = int(np.argmax(np.abs(array.strides))) if array.ndim else 0
    size = array.shape[axis] if array.ndim else 0
    rows = max(1, _CHUNK * size // max(1, array.size))
    for start in range(0, size, rows):
        yield (slice(None),) * axis + (slice(start, start + rows),)
    if not array.ndim:
        yield ()


def _rest(part: NumpyArray, hit: NumpyArray, others: str | int, target: np.dtype[Any]) -> NumpyArray:
    if others != "keep":
        return np.array(0 if others == "error" else others, dtype=target)
    with np.errstate(invalid="ignore"):
        kept = part.astype(target)
        wrong = ~hit & (kept.astype(part.dtype) != part)
    if wrong.any():
        raise PrepareError(
            f"dtype {target} cannot hold the kept value {part[wrong][0]}. Choose a wider dtype or map it."
        )
    return kept


def _check_targets(targets: list[int], dtype: np.dtype[Any]) -> None:
    if bad := [value for value in targets if not fits(value, dtype)]:
        raise ConfigError(f"dtype {dtype} cannot hold the new label {bad[0]}. Set dtype to one that does.")


def _refuse(unknown: set[Any], mapping: Mapping[int, int]) -> None:
    names = ", ".join(str(value) for value in sorted(unknown)[:_NAMED]) + (", ..." if len(unknown) > _NAMED else "")
    raise PrepareError(
        f"Labels hold values that the mapping lacks: {names}. Known: {', '.join(map(str, sorted(mapping)))}. "
        "Add them, or set others to 'keep' or to a value for all of them."
    )
