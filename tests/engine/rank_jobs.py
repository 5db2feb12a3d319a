"""Handlers for test_torchrun.py: worker processes import them by name."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from atso_monai.engine.worker import Order, checkpoints_of, run_bundle


@dataclass(frozen=True)
class Signal:
    """A rank sends itself a signal when an iteration has ended, before its checkpoint is written."""

    iteration: int
    rank: int
    signum: int = signal.SIGKILL

    def attach(self, engine: Engine) -> None:
        if int(os.environ.get("RANK", "0")) == self.rank:
            engine.add_event_handler(Events.ITERATION_COMPLETED(once=self.iteration), self._send)

    def _send(self, engine: Engine) -> None:
        os.kill(os.getpid(), self.signum)


@dataclass(frozen=True)
class NoNumber:
    """The loss of a rank becomes NaN."""

    iteration: int
    rank: int

    def attach(self, engine: Engine) -> None:
        if int(os.environ.get("RANK", "0")) == self.rank:
            engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._spoil)

    def _spoil(self, engine: Engine) -> None:
        if engine.state.iteration == self.iteration:
            engine.state.output["loss"] = torch.tensor(float("nan"))


def train(order: Order, *watch: Any) -> None:
    """A training as a step in a process of its own."""
    run_bundle(order, None, watch=watch, checkpoints=checkpoints_of(order))
    Path(order.folder, "ended.txt").touch()
