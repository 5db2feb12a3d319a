"""Batches of slices that are read straight into their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

Sample = dict[str, Tensor]


class SliceBatch(Sequence[Sample]):
    """The samples of a batch, read when it is known how they are wanted: one by one, or all into the batch's tensors.

    Args:
        read: gives the tensors of several samples, each of shape (N, ...).
        indices: the samples.
    """

    def __init__(self, read: Callable[[Sequence[int]], Sample], indices: Sequence[int]) -> None:
        self._read = read
        self._indices = indices

    @cached_property
    def tensors(self) -> Sample:
        """The whole batch."""
        return self._read(self._indices)

    @cached_property
    def _samples(self) -> list[Sample]:
        """Single samples: filling a large buffer only to copy it once more would cost more than small ones."""
        return [{key: values[0] for key, values in self._read([index]).items()} for index in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Any:
        """Sample number ``index``."""
        return self._samples[index]


def collate_slices(samples: Sequence[Any]) -> Any:
    """The ``collate_fn`` for loaders over a SliceDataset: its batches as they are, anything else as torch does.

    The default ones of torch and MONAI give the same tensors, but copy each batch once more.
    """
    return samples.tensors if isinstance(samples, SliceBatch) else default_collate(list(samples))
