"""Other numbers for the same structures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from monai.config import DtypeLike, KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, get_equivalent_dtype

from atso_monai.errors import ConfigError
from atso_monai.transforms._arrays import Array, as_kind_of, plain_numpy
from atso_monai.transforms._mapping import map_values, whole


class MapLabels(Transform):  # type: ignore[misc]
    """Replace label values by a table, all at once: ``{1: 2, 2: 1}`` swaps.

    Exact for every dtype, negative and large values included: values are compared and written as they are, never
    through a float, and a target that the dtype cannot hold is refused instead of wrapped.

    Args:
        mapping: value in the input -> value in the result, whole numbers (a JSON file's keys "1" are read as numbers).
        others: what becomes of values that ``mapping`` lacks: "error" refuses them by name, "keep" leaves them, a whole
            number replaces them all.
        dtype: of the result; None keeps the input's.

    Raises:
        ConfigError: when ``mapping`` is empty or holds something else than whole numbers, or ``others`` is unknown.
    """

    backend = [TransformBackends.NUMPY, TransformBackends.TORCH]  # noqa: RUF012

    def __init__(
        self,
        mapping: Mapping[Any, Any],
        others: Literal["error", "keep"] | int = "error",
        dtype: DtypeLike | torch.dtype = None,
    ) -> None:
        self.mapping = {whole(old, "mapping"): whole(new, "mapping") for old, new in mapping.items()}
        if not self.mapping or len(self.mapping) < len(mapping):
            raise ConfigError(f"mapping must name each value once, and at least one. Received: {dict(mapping)!r}.")
        if isinstance(others, str) and others not in ("error", "keep"):
            raise ConfigError(f"others must be 'error', 'keep' or a whole number. Received: {others!r}.")
        self.others = others if isinstance(others, str) else whole(others, "others")
        self.dtype = None if dtype is None else np.dtype(get_equivalent_dtype(dtype, np.ndarray))

    def __call__(self, img: Array) -> Array:
        """Map labels ``img`` of any shape; the result keeps kind and metadata.

        Raises:
            PrepareError: for values that ``mapping`` lacks with ``others="error"``, or kept ones that ``dtype`` cannot
                hold.
            ConfigError: when the dtype of the result cannot hold a value of ``mapping`` or ``others``.
        """
        out = as_kind_of(map_values(plain_numpy(img), self.mapping, self.others, self.dtype), img)
        if self.dtype is None and isinstance(img, torch.Tensor) and isinstance(out, torch.Tensor):
            return out.to(img.dtype)  # numpy has no bfloat16
        return out

    def inverted(self) -> MapLabels:
        """The way back, for a mapping that gives no two values the same one.

        Raises:
            ConfigError: when two values map to the same one.
        """
        back = {new: old for old, new in self.mapping.items()}
        if len(back) < len(self.mapping):
            raise ConfigError(f"A mapping with a value that is given twice has no way back. Received: {self.mapping}.")
        return MapLabels(back, "keep" if self.others == "keep" else "error")


class MapLabelsd(MapTransform):  # type: ignore[misc]
    """Dictionary version of :class:`MapLabels`.

    Args:
        keys: the entries to map.
        mapping: value in the input -> value in the result.
        others: "error", "keep" or a whole number for the values that ``mapping`` lacks.
        dtype: of the result; None keeps the input's.
        allow_missing_keys: pass over keys that the dictionary lacks.
    """

    backend = MapLabels.backend

    def __init__(
        self,
        keys: KeysCollection,
        mapping: Mapping[Any, Any],
        others: Literal["error", "keep"] | int = "error",
        dtype: DtypeLike | torch.dtype = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.map = MapLabels(mapping, others, dtype)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Map the entries at ``keys``."""
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self.map(out[key])
        return out
