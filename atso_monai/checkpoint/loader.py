"""Data in the order in which it would have come: a loader that can be taken up in the middle of an epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import torch
from monai.data.utils import set_rnd
from torch.utils.data import DataLoader, IterableDataset

from atso_monai.checkpoint.random_state import random_state, set_random_state


def resumable(loader: object) -> bool:
    """Whether :class:`ResumableLoader` gives the same batches after an interruption.

    It does for a torch ``DataLoader`` over a dataset whose items depend on their index alone, and for one that draws
    from the generators of Python, numpy and torch or from MONAI's ``Randomizable``. Not where worker processes
    outlive an epoch and draw as they go: how far they had come cannot be known.
    """
    return isinstance(loader, DataLoader) and (_by_index(loader) or not loader.persistent_workers)


def _by_index(loader: DataLoader[Any]) -> bool:
    """Whether item ``i`` of the dataset is the same whenever it is read: batches can be skipped without reading."""
    return bool(getattr(loader.dataset, "items_by_index", False))


class ResumableLoader(Iterable[Any], Sized):
    """Wraps a loader and remembers the random state in which its iteration began.

    To take it up, the iteration is begun in that state again and brought to its place: by skipping indices where the
    dataset has ``items_by_index``, else by reading and dropping the batches that were used before. For the latter,
    what a dataset draws has to follow from where its iteration begins, so MONAI's ``Randomizable`` parts of it are
    seeded from torch's seed and the iteration number at that point.

    Args:
        loader: the loader of a training, see :func:`resumable`.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        self.iteration = 0
        self._began: dict[str, Any] = {"iteration": 0, "random": None}
        self._resume: Mapping[str, Any] | None = None
        iterable = isinstance(loader.dataset, IterableDataset)
        self._sampler = None if iterable else _SkippingSampler.put_into(loader)

    @property
    def generators(self) -> list[torch.Generator]:
        """The loader's own generators."""
        found = [self.loader.generator, getattr(self.loader.sampler, "generator", None)]
        return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())

    def state_dict(self) -> dict[str, Any]:
        """Where the current iteration began, and in which random state."""
        return dict(self._began)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration be the one of ``state``, at :attr:`iteration`."""
        self._resume = state

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        state, self._resume = self._resume, None
        if state is not None and state["random"] is not None:
            return self._taken_up(state)
        self._began = {"iteration": self.iteration, "random": random_state(self.generators)}
        return self._begun(self.iteration)

    def _begun(self, iteration: int, skip: int = 0) -> Iterator[Any]:
        if not _by_index(self.loader):
            set_rnd(self.loader.dataset, (torch.initial_seed() + iteration) % 2**32)
        return self._sampler.iterate(self.loader, skip) if skip and self._sampler else iter(self.loader)

    def _taken_up(self, state: Mapping[str, Any]) -> Iterator[Any]:
        self._began = dict(state)
        used = self.iteration - state["iteration"]
        now = random_state(self.generators)
        set_random_state(state["random"], self.generators)
        try:
            if self._sampler and (_by_index(self.loader) or used >= len(self.loader)):  # at its end, or may be skipped
                return self._begun(state["iteration"], used)
            batches = self._begun(state["iteration"])
            next(itertools.islice(batches, used, used), None)
            return batches
        finally:
            set_random_state(now, self.generators)


class _SkippingSampler(Iterable[Any]):
    """The indices of another sampler, of which an iteration that is taken up leaves out the first ones."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler
        self._skip = 0
        self._indices: Iterator[Any] = iter(())

    @classmethod
    def put_into(cls, loader: DataLoader[Any]) -> _SkippingSampler:
        """Take the place of what gives a loader its indices."""
        name = "sampler" if loader.batch_sampler is None else "batch_sampler"
        sampler = cls(getattr(loader, name))
        # torch forbids to exchange it, since a loader may be iterated already; this one is not
        object.__setattr__(loader, name, sampler)
        return sampler

    def iterate(self, loader: DataLoader[Any], skip: int) -> Iterator[Any]:
        """Begin an iteration without the first ``skip`` indices.

        They are drawn when the loader has begun and before anything else is: a loader draws the seed of its workers
        first, and a sampler shuffles at its first index.
        """
        self._skip = skip
        batches = iter(loader)
        self._advance()
        return batches

    def __getattr__(self, name: str) -> Any:
        if name == "sampler":  # not made yet, while it is copied
            raise AttributeError(name)
        return getattr(self.sampler, name)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        self._indices = iter(self.sampler)
        return self._rest(self._indices)

    def _rest(self, indices: Iterator[Any]) -> Iterator[Any]:
        self._advance()  # loaders with workers ask for their first indices at once
        yield from indices

    def _advance(self) -> None:
        skip, self._skip = self._skip, 0
        for _ in range(skip):
            next(self._indices, None)
