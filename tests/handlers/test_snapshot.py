from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from atso_monai.handlers import Snapshot
from atso_monai.networks import load_weights


def train(path: Path, epoch: int, epochs: int = 3) -> torch.nn.Linear:
    """Adds one to the weights in each of two iterations an epoch."""
    network = torch.nn.Linear(2, 1)
    torch.nn.init.zeros_(network.weight)
    engine = Engine(lambda _, batch: network.weight.data.add_(1))
    Snapshot(network, path, epoch).attach(engine)
    engine.run([0, 0], max_epochs=epochs)
    return network


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_weights_are_those_after_the_epoch(tmp_path: Path, epoch: int) -> None:
    network = train(tmp_path / "snapshot.pt", epoch)
    assert (network.weight == 6).all()
    loaded = load_weights(torch.nn.Linear(2, 1), tmp_path / "snapshot.pt")
    assert (loaded.weight == 2 * epoch).all()
    assert [p.name for p in tmp_path.iterdir()] == ["snapshot.pt"]


@pytest.mark.parametrize("epoch", [0, 4])
def test_an_epoch_that_does_not_come_saves_nothing(tmp_path: Path, epoch: int) -> None:
    train(tmp_path / "snapshot.pt", epoch)
    assert list(tmp_path.iterdir()) == []
