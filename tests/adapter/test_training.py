from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.engines.evaluator import Evaluator

from atso_monai.adapter import follow_training
from atso_monai.adapter.training import Keeper, require_weights
from atso_monai.errors import CheckpointError
from atso_monai.networks import load_weights
from atso_monai.networks.weights import read_state


def net(value: float) -> torch.nn.Module:
    one = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(one.weight, value)
    return one


def weight(path: Path) -> float:
    return float(load_weights(net(0), path).weight)


def validator(network: torch.nn.Module, scores: list[float]) -> Evaluator:
    """An evaluator whose key metric is the next of some scores."""

    class Next:
        def attach(self, engine: Engine, name: str) -> None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update({name: scores.pop(0)}))

    class Scores(Evaluator):
        def _iteration(self, engine: Engine, batchdata: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {}

    data = [{"image": torch.zeros(1, 1)}]
    return Scores(device="cpu", val_data_loader=data, key_val_metric={"score": Next()}, decollate=False)


def trained(folder: Path, scores: list[float] | None, epochs: int = 3) -> Keeper:
    """Train a weight that is the number of the epoch, and validate after each."""
    network = net(0)
    judge = None if scores is None else validator(network, scores)
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=[{"image": torch.zeros(1, 1), "label": torch.zeros(1, 1)}],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        loss_function=torch.nn.functional.mse_loss,
        decollate=False,
    )
    keeper = follow_training(trainer, network, folder, snapshot_epoch=1, validator=judge)

    def count(engine: Engine) -> None:
        torch.nn.init.constant_(network.weight, engine.state.epoch)
        if judge is not None:
            judge.run(engine.state.epoch)

    with trainer.add_event_handler(Events.ITERATION_COMPLETED, count):
        trainer.run()
    return keeper


def test_the_last_weights_are_kept_without_validation(tmp_path: Path) -> None:
    trained(tmp_path, None)
    assert weight(tmp_path / "model.pt") == 3
    assert weight(tmp_path / "snapshot.pt") == 1


def test_the_weights_of_the_best_validation_are_kept(tmp_path: Path) -> None:
    keeper = trained(tmp_path, [0.1, 0.5, 0.3])
    assert weight(tmp_path / "model.pt") == 2
    state = keeper.state_dict()
    assert (state["epoch"], state["metric"]) == (2, 0.5)
    other = validator(net(0), [0.4])
    again = Keeper(net(7), tmp_path / "again.pt", other)
    again.load_state_dict(state)
    other.add_event_handler(Events.COMPLETED, again.validated)
    other.run(3)  # worse than what was best before the interruption
    again.save(other)
    assert weight(tmp_path / "again.pt") == 2


def test_other_weights_than_those_asked_for_are_noticed(tmp_path: Path) -> None:
    torch.save({"model": net(1).state_dict() | {"bias": torch.zeros(1)}}, tmp_path / "model.pt")
    network = load_weights(net(5), tmp_path / "model.pt")
    expected = read_state(tmp_path / "model.pt")
    require_weights(Engine(lambda *_: None), network, expected, "model.pt")
    torch.nn.init.constant_(network.weight, 2)
    with pytest.raises(CheckpointError, match=r"has replaced the weights of model\.pt"):
        require_weights(Engine(lambda *_: None), network, expected, "model.pt")


def test_a_handler_that_brings_weights_of_its_own_is_noticed_in_a_training_from_scratch(tmp_path: Path) -> None:
    network = net(0)
    trainer = Engine(lambda *_: None)
    trainer.add_event_handler(Events.STARTED, lambda _: torch.nn.init.constant_(network.weight, 9))
    follow_training(trainer, network, tmp_path)
    with pytest.raises(CheckpointError, match="has replaced the weights of the step's seed by others, first weight"):
        trainer.run([0])
    assert not (tmp_path / "model.pt").exists()
