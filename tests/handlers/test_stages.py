"""Stages by epoch, with rates that halve in J alone, and a training that goes through all three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import PrepareBatchExtraInput, SupervisedTrainer
from monai.networks.nets import BasicUNet
from monai.utils import set_determinism
from torch import nn
from torch.utils.data import DataLoader

from atso_monai.errors import ConfigError
from atso_monai.handlers import RSTNStages, Snapshot
from atso_monai.losses import CoarseFineLoss
from atso_monai.networks import RSTN, SpaceToDepth, rstn_parameter_groups, start_rstn
from atso_monai.phantom import write_phantom
from atso_monai.prepare import SliceDataset, VolumeStore, Window, collate_slices

PAPER = {"S": 2, "I": 6, "J": 8}


def seen(stages: dict[str, int], epochs: int, first: int = 1, **settings: Any) -> list[tuple[str, float]]:
    """Stage and learning rate of each epoch, with a rate of 8 at the start."""
    network = RSTN(nn.Identity(), nn.Identity().eval())
    optimiser = torch.optim.SGD(network.parameters(), lr=8.0)
    engine, found = Engine(lambda _, batch: None), []
    RSTNStages(network, stages, optimiser, **settings).attach(engine)
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: found.append((network.stage, float(optimiser.param_groups[0]["lr"])))
    )
    engine.state.epoch, engine.state.max_epochs, engine.state.epoch_length = first - 1, epochs, 1
    engine.run([0])
    return found


def test_the_papers_stages_halve_the_rate_every_second_epoch_of_j() -> None:
    found = seen(PAPER, 16)
    assert "".join(stage for stage, _ in found) == "SSIIIIIIJJJJJJJJ"
    assert [rate for _, rate in found] == [8.0] * 8 + [8.0, 8.0, 4.0, 4.0, 2.0, 2.0, 1.0, 1.0]


def test_a_training_that_goes_on_stays_in_its_last_stage_at_its_last_rate() -> None:
    assert seen({"J": 4}, 7) == [("J", 8.0)] * 2 + [("J", 4.0)] * 5
    assert seen({"S": 1, "I": 1}, 3) == [("S", 8.0), ("I", 8.0), ("I", 8.0)]


def test_a_stage_of_no_epochs_is_left_out_and_halving_follows_its_setting() -> None:
    assert seen({"S": 0, "J": 3}, 3, halve_every=1) == [("J", 8.0), ("J", 4.0), ("J", 2.0)]


def test_a_resumed_training_goes_on_as_it_would_have() -> None:
    assert seen(PAPER, 16, first=12) == seen(PAPER, 16)[11:]


@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel])
def test_the_stage_reaches_the_network_without_an_optimiser_and_through_a_wrapper(wrap: Any) -> None:
    network = RSTN(nn.Identity(), nn.Sequential())
    stages, engine = RSTNStages(wrap(network), {"I": 2}), Engine(lambda _, batch: None)
    stages.attach(engine)
    engine.run([0], max_epochs=1)
    assert network.stage == "I"


def test_another_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network must be an RSTN\. Received: Linear"):
        RSTNStages(nn.Linear(1, 1), {"I": 2})


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"S": 1, "K": 2}, "stage must be one of S, I, J. Received: 'K'"),
        ({"S": -1}, "whole numbers of epochs. Received: S: -1"),
        ({"S": 1.5}, "whole numbers"),
        ({"S": 0}, "at least one epoch"),
        ({}, "at least one epoch"),
    ],
)
def test_stages_that_make_no_sense_are_refused(stages: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        RSTNStages(RSTN(nn.Identity(), nn.Sequential()), stages)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SliceDataset:
    folder = tmp_path_factory.mktemp("phantom")
    cases = write_phantom(folder / "cases", cases=2, seed=0, shape=(80, 64, 32))
    items = [{"id": name, "image": str(image), "label": str(label)} for name, image, label in cases]
    store = VolumeStore(folder / "cache", None, Window(-100, 240))
    return SliceDataset(items, store, "axial", 3, "rstn", "all")


def u_net() -> nn.Module:
    return SpaceToDepth(BasicUNet(2, 12, 12, features=(16, 16, 32, 32, 32, 16)), factor=2, divisible=32)


def train(dataset: SliceDataset, network: RSTN, stages: dict[str, int], *handlers: Any) -> list[tuple[str, float]]:
    """Stage and mean loss of each epoch of a MONAI trainer, of the pieces that a bundle would name."""
    optimiser = torch.optim.AdamW(rstn_parameter_groups(network, lr=3e-3, fine_factor=1))
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=sum(stages.values()),
        train_data_loader=DataLoader(dataset, batch_size=2, shuffle=True, collate_fn=collate_slices),
        network=network,
        optimizer=optimiser,
        loss_function=CoarseFineLoss(),
        prepare_batch=PrepareBatchExtraInput({"label": "label"}),
        decollate=False,
        train_handlers=[RSTNStages(network, stages, optimiser), *handlers],
    )
    losses: list[list[float]] = [[] for _ in range(sum(stages.values()) + 1)]
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda e: losses[e.state.epoch].append(e.state.output["loss"].item())
    )
    found: list[tuple[str, float]] = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED,
        lambda e: found.append((network.stage, sum(losses[e.state.epoch]) / len(losses[e.state.epoch]))),
    )
    trainer.run()
    return found


def test_the_loss_falls_in_every_stage_from_random_weights_and_after_a_snapshot(
    dataset: SliceDataset, tmp_path: Path
) -> None:
    set_determinism(0)
    network = RSTN(u_net(), u_net(), margin=6)
    first = train(dataset, network, {"S": 2, "I": 2, "J": 2}, Snapshot(network, tmp_path / "snapshot.pt", 4))
    student = start_rstn(RSTN(u_net(), u_net(), margin=6), tmp_path / "snapshot.pt", redraw_saliency=1)
    second = train(dataset, student, {"J": 2})
    set_determinism(None)
    assert "".join(stage for stage, _ in first + second) == "SSIIJJJJ"
    for start in (0, 2, 4):
        assert first[start + 1][1] < first[start][1] - 0.01
    assert second[1][1] < second[0][1] - 0.01
    assert second[1][1] < first[0][1] - 0.05
