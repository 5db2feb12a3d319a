"""A small training with everything that has a state: batch norm, dropout, momentum, a schedule, random data."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import Dataset as MonaiDataset
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from monai.transforms import Compose, RandGaussianNoised
from monai.utils import set_determinism
from torch.utils.data import DataLoader, Dataset

from atso_monai.checkpoint import CheckpointFolder, Interval, TrainingCheckpoint

ITEMS = 14


def item(index: int) -> dict[str, torch.Tensor]:
    values = torch.from_numpy(np.random.default_rng(index).normal(size=(3,))).float()
    return {"image": values, "label": values.sum()[None]}


class ByIndex(Dataset[dict[str, torch.Tensor]]):
    items_by_index = True

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.read.append(index)
        return item(index)


class GlobalRandom(ByIndex):
    """Draws from all global generators as it goes."""

    items_by_index = False

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        one = super().__getitem__(index)
        noise = random.random() + np.random.rand() + torch.rand(1)
        return {"image": one["image"] + noise, "label": one["label"]}


def loader(kind: str, workers: int = 0, shuffle: bool = True) -> DataLoader[Any]:
    datasets: dict[str, Any] = {"index": ByIndex, "global": GlobalRandom}
    if kind in datasets:
        data = datasets[kind]()
    else:
        noise = RandGaussianNoised(keys="image", prob=0.8, std=0.5)
        data = MonaiDataset([item(n) for n in range(ITEMS)], Compose([noise]))
    generator = torch.Generator().manual_seed(5) if kind != "global" else None
    return DataLoader(data, batch_size=2, shuffle=shuffle, num_workers=workers, generator=generator)


class Left(Exception):
    """The process was killed."""


class Training:
    """One training of 3 epochs; made anew for each start, as a step in a fresh process is."""

    def __init__(self, folder: Path, data: DataLoader[Any], epoch_length: int | None = None, **interval: Any) -> None:
        set_determinism(seed=3)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.05, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.7)
        self.data = data
        self.log: list[tuple[int, float]] = []
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"), max_epochs=3, epoch_length=epoch_length, train_data_loader=data,
            network=self.network, optimizer=self.optimizer, loss_function=torch.nn.MSELoss(), decollate=False,
            train_handlers=[LrScheduleHandler(self.scheduler, print_lr=False)],
        )  # fmt: skip
        self.trainer.add_event_handler(Events.EPOCH_STARTED, self._stage)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._note)
        self.folder = CheckpointFolder(folder, {"key": "k"})
        states = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.handler = TrainingCheckpoint(self.folder, states, Interval(**{"minutes": 0, **interval}))
        self.handler.attach(self.trainer)

    def _stage(self, engine: Engine) -> None:
        """From the second epoch on, a part is drawn anew and trained alone, as stages of a training do."""
        if engine.state.epoch == 2:
            self.network[3].reset_parameters()
        self.network[0].requires_grad_(engine.state.epoch < 2)

    def _note(self, engine: Engine) -> None:
        self.log.append((engine.state.iteration, engine.state.output["loss"].item()))

    def kill_at(self, iteration: int) -> None:
        """Run until an iteration has ended and all its handlers, and leave nothing more behind."""

        def leave(engine: Engine) -> None:
            if engine.state.iteration == iteration:
                raise Left

        def leave_inside(engine: Engine) -> None:
            if engine.state.iteration % engine.state.epoch_length:
                leave(engine)

        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, leave)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, leave_inside)
        with pytest.raises(Left):
            self.trainer.run()

    def finish(self) -> str:
        """Run to the end; hash of weights, optimiser and schedule."""
        self.trainer.run()
        torch.set_printoptions(precision=12, threshold=10**6)
        state = [self.network.state_dict(), self.optimizer.state_dict(), self.scheduler.state_dict()]
        return hashlib.sha256(repr(state).encode()).hexdigest()


@pytest.fixture
def training(tmp_path: Path) -> Callable[..., Training]:
    def make(data: DataLoader[Any], name: str = "step", epoch_length: int | None = None, **interval: Any) -> Training:
        (tmp_path / name).mkdir(exist_ok=True)
        return Training(tmp_path / name, data, epoch_length, **interval)

    return make


@pytest.fixture
def make_loader() -> Callable[..., DataLoader[Any]]:
    return loader
