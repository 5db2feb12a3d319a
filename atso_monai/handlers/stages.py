"""The training stages of an RSTN, by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ignite.engine import Engine, Events
from torch import nn
from torch.optim import Optimizer

from atso_monai.errors import ConfigError, one_of
from atso_monai.networks.rstn import STAGES, as_rstn


class Position(NamedTuple):
    """Where an epoch lies: its stage, and how many epochs of that stage are over before it."""

    stage: str
    over: int


class RSTNStages:
    """Sets an RSTN's stage at the start of each epoch and, in stage J, halves the learning rates from time to time.

    Source: OrganSegRSTN, which trains 2, 6 and 8 epochs and halves the rate every 2 epochs of J. Both follow from the
    number of the epoch alone, so that a resumed training goes on as it would have.

    Args:
        network: an RSTN, or a wrapper of torch around one.
        stages: epochs of each stage in their order, e.g. ``{"S": 2, "I": 6, "J": 8}``; ``{"J": 8}`` for a training
            that starts from a checkpoint. The last one goes on as long as the training, at its last rate.
        optimizer: whose learning rates, as they are now, are halved; None where a scheduler sets them.
        halve_every: epochs of J between halvings.

    Raises:
        ConfigError: for another network, unknown stages, or numbers of epochs that are not positive.
    """

    def __init__(
        self, network: nn.Module, stages: Mapping[str, int], optimizer: Optimizer | None = None, halve_every: int = 2
    ) -> None:
        for stage, epochs in stages.items():
            one_of("stage", stage, STAGES)
            if int(epochs) != epochs or epochs < 0:
                raise ConfigError(f"stages must give whole numbers of epochs. Received: {stage}: {epochs!r}.")
        self._stages = {stage: int(epochs) for stage, epochs in stages.items() if epochs}
        if not self._stages or halve_every < 1:
            raise ConfigError(
                f"stages and halve_every must give at least one epoch. Received: stages={dict(stages)}, {halve_every=}."
            )
        self._network = as_rstn(network)
        self._optimizer = optimizer
        self._rates = [] if optimizer is None else [float(group["lr"]) for group in optimizer.param_groups]
        self._halve_every = halve_every

    def attach(self, engine: Engine) -> None:
        """Register at the start of every epoch."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the stage, and the rates where there is an optimiser, for the epoch that starts."""
        self._network.stage = self.position(engine.state.epoch).stage
        if self._optimizer is not None:
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * self.factor(engine.state.epoch)

    def position(self, epoch: int) -> Position:
        """Where an epoch, counted from 1, lies."""
        over = epoch - 1
        for stage, epochs in self._stages.items():
            if over < epochs:
                return Position(stage, over)
            over -= epochs
        return Position(stage, over + epochs)

    def factor(self, epoch: int) -> float:
        """What the learning rates of an epoch are multiplied by."""
        stage, over = self.position(epoch)
        return float(0.5 ** (min(over, self._stages[stage] - 1) // self._halve_every)) if stage == "J" else 1.0
