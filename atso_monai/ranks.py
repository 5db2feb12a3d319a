"""The processes of one training, as torchrun starts them: which one this is, and what they agree on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from atso_monai.errors import ConfigError


@dataclass(frozen=True)
class Ranks:
    """This process among those of its training.

    All of them must call the same methods in the same order: each call waits for the others.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
        group: through which they talk; None for one that is alone.
    """

    rank: int = 0
    count: int = 1
    group: Any = None

    def highest(self, value: int) -> int:
        """The highest of the values of all ranks."""
        return self._reduce(value, "MAX")

    def total(self, value: int) -> int:
        """The sum of the values of all ranks."""
        return self._reduce(value, "SUM")

    def _reduce(self, value: int, operation: str) -> int:
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.int64)
        dist.all_reduce(shared, getattr(dist.ReduceOp, operation), group=self.group)
        return int(shared)

    def gather(self, value: Any) -> list[Any]:
        """On rank 0 the values of all ranks, by rank; elsewhere nothing. Values must pickle."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        dist.gather_object(value, found if self.rank == 0 else None, dst=0, group=self.group)
        return found if self.rank == 0 else []


def ranks() -> Ranks:
    """The ranks of the training that runs in this process; of one process where torch's process group is not there.

    They talk on the CPU, whatever their training uses, so that a question does not wait for a GPU.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return Ranks()
    return _of(dist.group.WORLD)


@lru_cache(maxsize=1)
def _of(world: Any) -> Ranks:
    return Ranks(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo"))


def share_batches(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Let each rank have its share of the batches of a loader, which is changed and returned.

    Of every ``count`` batches a rank gets the one with its number; those at the end that are too few for all are left
    out. Before that, the loaders of all ranks must give the same batches in one order, as seeded ones do. Unlike
    torch's ``DistributedSampler`` this keeps the loader's own sampler.

    Raises:
        ConfigError: when there are fewer batches than ranks.
    """
    share = _Share(loader.batch_sampler, own := ranks())
    if not len(share):
        raise ConfigError(
            f"ranks: {own.count} takes a batch for each rank, but the whole training has {len(loader)}. Take fewer "
            "ranks, or a longer training (epochs, epoch_length)."
        )
    # torch forbids to exchange it, since a loader may be iterated already; this one is not
    object.__setattr__(loader, "batch_sampler", share)
    return loader


class _Share(Iterable[Any], Sized):
    def __init__(self, batches: Any, own: Ranks) -> None:
        self._batches, self._own = batches, own

    def __len__(self) -> int:
        return len(self._batches) // self._own.count

    def __iter__(self) -> Iterator[Any]:
        for several in zip(*[iter(self._batches)] * self._own.count, strict=False):
            yield several[self._own.rank]
