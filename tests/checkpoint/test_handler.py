from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.utils import optional_import

from atso_monai import stopping
from atso_monai.checkpoint import stateful
from atso_monai.errors import CheckpointError

Make = Callable[..., Any]
EVERY = {"iterations": 1}


@pytest.mark.parametrize("kind", ["index", "global", "monai"])
@pytest.mark.parametrize("killed", [3, 7, 10, 14])  # inside an epoch of 7, and at its end
def test_killed_and_taken_up_a_training_ends_the_same(
    training: Make, make_loader: Make, kind: str, killed: int
) -> None:
    whole = training(make_loader(kind), "whole")
    expected = whole.finish()
    training(make_loader(kind), **EVERY).kill_at(killed)
    again = training(make_loader(kind), **EVERY)
    assert again.finish() == expected
    assert again.log == whole.log[killed:]


@pytest.mark.parametrize(("kind", "killed"), [("index", 3), ("index", 8), ("monai", 10)])
def test_with_loader_workers(training: Make, make_loader: Make, kind: str, killed: int) -> None:
    whole = training(make_loader(kind, 2), "whole")
    expected = whole.finish()
    training(make_loader(kind, 2), **EVERY).kill_at(killed)
    again = training(make_loader(kind, 2), **EVERY)
    assert again.finish() == expected
    assert again.log == whole.log[killed:]


@pytest.mark.parametrize("kind", ["index", "global"])
@pytest.mark.parametrize("epoch_length", [4, 10])  # shorter and longer than the loader, so iterations cross epochs
@pytest.mark.parametrize("killed", [2, 4, 9, 11])
def test_epochs_of_another_length_than_the_loader(
    training: Make, make_loader: Make, kind: str, epoch_length: int, killed: int
) -> None:
    expected = training(make_loader(kind), "whole", epoch_length).finish()
    training(make_loader(kind), "step", epoch_length, **EVERY).kill_at(killed)
    assert training(make_loader(kind), "step", epoch_length, **EVERY).finish() == expected


def test_killed_again_and_again(training: Make, make_loader: Make) -> None:
    expected = training(make_loader("index"), "whole").finish()
    for killed in (2, 5, 6, 7, 13, 20):
        training(make_loader("index"), iterations=2).kill_at(killed)
    assert training(make_loader("index")).finish() == expected


def test_batches_that_were_used_are_not_read_again(training: Make, make_loader: Make) -> None:
    training(make_loader("index", shuffle=False), iterations=5).kill_at(6)
    again = training(make_loader("index", shuffle=False))
    again.finish()
    assert again.data.dataset.read[:4] == [10, 11, 12, 13]  # the last two batches of the first epoch


def test_the_interval_in_iterations(training: Make, make_loader: Make) -> None:
    one = training(make_loader("index"), iterations=4)
    seen: list[int] = []
    one.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: seen.append(getattr(one.folder.read(), "iteration", 0))
    )
    one.finish()
    assert sorted(set(seen)) == [0, 4, 8, 12, 16, 20]


def test_the_interval_in_minutes(training: Make, make_loader: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("atso_monai.checkpoint.handler.time.monotonic", lambda: now[0])
    one = training(make_loader("index"), minutes=1)
    seen: list[int] = []

    def note(engine: Any) -> None:
        seen.append(getattr(one.folder.read(), "iteration", 0))
        now[0] += 25

    one.trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
    one.finish()
    assert sorted(set(seen)) == [0, 4, 7, 11, 14, 18]


def test_asked_to_stop_it_leaves_a_checkpoint_at_once(training: Make, make_loader: Make) -> None:
    expected = training(make_loader("index"), "whole").finish()
    one = training(make_loader("index"), minutes=10)

    def ask(engine: Any) -> None:
        if engine.state.iteration == 5:
            signal.raise_signal(signal.SIGTERM)

    one.trainer.add_event_handler(Events.ITERATION_STARTED, ask)
    with stopping.stop_signals(), pytest.raises(stopping.StopSignal) as caught, stopping.postponed():
        one.trainer.run()
    assert caught.value.exit_code == 75
    assert one.folder.read().iteration == 5
    assert not one.handler.completed
    assert training(make_loader("index"), minutes=10).finish() == expected


def test_a_loader_that_cannot_be_taken_up_starts_anew(
    training: Make, make_loader: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def persistent() -> Any:
        data = make_loader("monai").dataset
        return torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, persistent_workers=True)

    with caplog.at_level(logging.WARNING):
        expected = training(persistent(), "whole", **EVERY).finish()
    assert "starts anew" in caplog.text
    training(persistent(), **EVERY).kill_at(9)
    again = training(persistent(), **EVERY)
    assert again.trainer.state.iteration == 0
    assert again.finish() == expected


def test_a_full_disk_does_not_end_the_training(
    training: Make, make_loader: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = training(make_loader("index"), "whole").finish()
    one = training(make_loader("index"), **EVERY)
    save = torch.save

    def full(content: Any, stream: Any) -> None:
        if 4 <= one.trainer.state.iteration <= 9:
            raise OSError(28, "No space left on device")
        save(content, stream)

    monkeypatch.setattr("torch.save", full)
    one.kill_at(9)
    assert one.folder.usable().iteration == 3
    assert "No space left" in caplog.text
    assert not list((one.folder._step / "checkpoint").glob(".tmp*"))
    monkeypatch.undo()
    assert training(make_loader("index")).finish() == expected


def test_a_checkpoint_of_other_parts_is_taken_away(training: Make, make_loader: Make) -> None:
    training(make_loader("index"), **EVERY).kill_at(4)
    other = training(make_loader("index"))
    del other.handler._states["scheduler"]
    with pytest.raises(CheckpointError, match=r"holds network, optimizer, scheduler, the training has network, optim"):
        other.finish()
    assert other.folder.read() is None


def test_a_package_that_is_not_installed_has_no_state() -> None:
    absent, _ = optional_import("no_such_package_at_all")
    counter = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    assert stateful({"pd": absent, "optimizer": counter, "kind": torch.optim.SGD}) == {"optimizer": counter}


@pytest.fixture
def process_group() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_network_that_is_wrapped_for_several_processes_is_kept_once(process_group: None) -> None:
    network = torch.nn.Linear(2, 2)
    wrapped = torch.nn.parallel.DistributedDataParallel(network)
    assert stateful({"network": network, "distributed_network": wrapped}) == {"network": network}
    assert stateful({"distributed_network": wrapped}) == {"distributed_network": network}


def test_a_checkpoint_of_several_processes_is_not_for_one(training: Make, make_loader: Make) -> None:
    first = training(make_loader("index"), **EVERY)
    first.kill_at(3)
    record, state = first.folder.load()
    first.folder.save({**state, "others": [{"random": state["random"], "loader": state["loader"]}]}, 3, record.total)
    with pytest.raises(CheckpointError, match="of a training in 2 processes, this one has 1"):
        training(make_loader("index"), **EVERY)
