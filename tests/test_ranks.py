from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from atso_monai import ranks as module
from atso_monai.checkpoint import ResumableLoader
from atso_monai.errors import ConfigError
from atso_monai.ranks import Ranks, ranks, share_batches


def loader(length: int = 11) -> DataLoader[Any]:
    data, generator = torch.arange(length), torch.Generator().manual_seed(4)
    sampler = RandomSampler(data, generator=generator)  # type: ignore[arg-type]
    return DataLoader(data, batch_size=2, sampler=sampler, generator=generator)  # type: ignore[arg-type]


def share(rank: int, count: int, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any] = loader) -> DataLoader[Any]:
    monkeypatch.setattr(module, "ranks", lambda: Ranks(rank, count))
    return share_batches(make())


def batches(of: Any) -> list[list[int]]:
    return [batch.tolist() for batch in of]


def test_who_is_alone_agrees_with_himself() -> None:
    alone = ranks()
    assert (alone.rank, alone.count) == (0, 1)
    assert (alone.highest(-3), alone.total(4), alone.gather("x")) == (-3, 4, ["x"])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_ranks_together_read_what_one_process_reads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batches(loader())
    parts = [share(rank, count, monkeypatch) for rank in range(count)]
    assert {len(part) for part in parts} == {len(whole) // count}
    taken = [batches(part) for part in parts]
    assert [batch for step in zip(*taken, strict=True) for batch in step] == whole[: len(whole) // count * count]


def test_fewer_batches_than_ranks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="takes a batch for each rank, but the whole training has 6"):
        share(0, 7, monkeypatch)


def test_a_share_is_taken_up_in_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ResumableLoader(share(1, 2, monkeypatch))
    order = batches(whole) + batches(whole)
    first = ResumableLoader(share(1, 2, monkeypatch))
    batches(first)
    first.iteration = 3
    next(again := iter(first))
    later = ResumableLoader(share(1, 2, monkeypatch))
    later.iteration = 4
    later.load_state_dict(first.state_dict())
    assert batches(later) == order[4:] == batches(again)
