"""Weights in and out of a bundle's training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from atso_monai.errors import CheckpointError, ConfigError
from atso_monai.files import atomic_path
from atso_monai.handlers import Snapshot
from atso_monai.networks.weights import read_state


def follow_training(
    trainer: Engine,
    network: torch.nn.Module,
    output_dir: str | Path,
    *,
    checkpoint_in: str | Path | None = None,
    snapshot_epoch: int = 0,
    validator: Engine | None = None,
) -> Keeper:
    """Attach what the engine needs of a training: ``model.pt`` and ``snapshot.pt`` as ``{"model": state_dict}``.

    Args:
        trainer: the bundle's trainer.
        network: the network that it trains.
        output_dir: folder for both files.
        checkpoint_in: the weights that the training starts from; None for new ones.
        snapshot_epoch: after which epoch, from 1, the snapshot is taken; 0 for none.
        validator: the evaluator that validates: the weights of its best key metric are kept. None keeps the last.

    Returns:
        What keeps the best weights: its state belongs to that of the training.
    """
    keeper = Keeper(network, Path(output_dir) / "model.pt", validator)
    if snapshot_epoch:
        Snapshot(network, Path(output_dir) / "snapshot.pt", snapshot_epoch).attach(trainer)
    expected = read_state(Path(checkpoint_in)) if checkpoint_in is not None else copied(network)
    trainer.add_event_handler(
        Events.ITERATION_STARTED(once=1), require_weights, network, expected, checkpoint_in or "the step's seed"
    )
    if validator is not None:
        validator.add_event_handler(Events.COMPLETED, keeper.validated)
    trainer.add_event_handler(Events.COMPLETED, keeper.save)
    return keeper


def require_weights(
    engine: Engine, network: torch.nn.Module, expected: Mapping[str, torch.Tensor], origin: str | Path
) -> None:
    """Make sure that a network has the weights it should start with, and no handler has put others in their place.

    Args:
        engine: the engine that runs it.
        network: the network.
        expected: its weights, on the CPU.
        origin: where they are from, in words.

    Raises:
        CheckpointError: when a weight differs.
    """
    own = network.state_dict()
    wrong = [name for name, value in expected.items() if name in own and not torch.equal(value, own[name].cpu())]
    if wrong:
        raise CheckpointError(
            f"The bundle has replaced the weights of {origin} by others, first {wrong[0]}. Take what loads weights in "
            "it out, or set its id to null in a mapping file."
        )


def refuse_known_weights(one: torch.nn.Module, other: torch.nn.Module, source: str) -> None:
    """Refuse networks that were made from two seeds and have the same weights: these may have seen the test cases.

    What is alike in all new networks, such as norms and fixed filters, counts only where it is most of the network.

    Raises:
        ConfigError: names the bundle.
    """
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    drawn = [(a, b) for a, b in pairs if a.requires_grad and a.ndim > 1]
    same = sum(a.numel() for a, b in drawn if torch.equal(a, b))
    if 2 * same > sum(a.numel() for a, _ in drawn):
        raise ConfigError(
            f"{source} makes its network with the same weights whatever the seed, so they come with the bundle, or are "
            "drawn from a seed of its own. Take that out of what makes the network. Weights to start from are named in "
            "a mapping file (--mapping FILE), as a path in the bundle:\n    train:\n      pretrained: models/model.pt"
        )


def copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a network as they are now, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


class Keeper:
    """Keeps the weights of the best validation, and writes them, or the last ones, at the end of a training.

    Args:
        network: whose weights.
        path: the file to write.
        validator: the evaluator that validates, if there is one.
    """

    def __init__(self, network: torch.nn.Module, path: Path, validator: Engine | None = None) -> None:
        self._network, self._path, self._validator = network, path, validator
        self._best: dict[str, torch.Tensor] = {}
        self._epoch = -1

    def validated(self, engine: Engine) -> None:
        """Keep the weights where the validation that ended is the best so far."""
        if (epoch := engine.state.best_metric_epoch) != self._epoch and epoch == engine.state.epoch:
            self._epoch = epoch
            self._best = copied(self._network)

    def state_dict(self) -> dict[str, Any]:
        """The best weights so far, their epoch, and their metric."""
        metric = float(self._validator.state.best_metric) if self._validator is not None else 0.0
        return {"weights": self._best, "epoch": self._epoch, "metric": metric}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take a state, also for the evaluator, which compares with its best metric."""
        self._best, self._epoch = dict(state_dict["weights"]), int(state_dict["epoch"])
        if self._validator is not None:
            self._validator.state.best_metric = state_dict["metric"]
            self._validator.state.best_metric_epoch = self._epoch

    def save(self, engine: Engine) -> None:
        """Write the best weights, or the last ones where nothing was validated."""
        # to an open file: given a path, torch.save writes its name, here a temporary one, into the archive
        with atomic_path(self._path) as temporary, temporary.open("wb") as file:
            torch.save({"model": self._best or self._network.state_dict()}, file)
