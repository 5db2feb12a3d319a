"""A real, small RSTN in its three stages, in one process and in two: killed and stopped in its middle, it goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from atso_monai.bundle import find_bundle, set_ids
from atso_monai.checkpoint import Interval
from atso_monai.engine.configuration import configuration
from atso_monai.engine.processes import FreshProcesses, ProcessEndedError
from atso_monai.engine.worker import Order, checkpoints_of, run_bundle
from atso_monai.errors import AtsoError
from atso_monai.files import hash_file, write_json
from atso_monai.handlers import read_losses
from atso_monai.phantom import write_phantom
from atso_monai.stopping import StopSignal, stop_signals

pytestmark = pytest.mark.slow

STAGES = {"stage_epochs": {"S": 1, "I": 2, "J": 3}, "max_epochs": 6}
STEPS = 3
"""Steps of an epoch: stage I is iterations 4 to 9, J begins with 10, its rates are halved from 16 on."""
Make = Callable[..., Order]


@pytest.fixture(scope="module")
def jobs() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        import rank_jobs  # type: ignore[import-not-found]

        yield rank_jobs


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Writes the folder of a training."""
    home = tmp_path_factory.mktemp("rän ks #1")
    rows = write_phantom(home / "data", cases=2, seed=0, shape=(48, 48, 20))
    cases = [{"id": name, "image": str(image), "label": str(label)} for name, image, label in rows]

    def order(name: str, ranks: int) -> Order:
        folder, root = home / name, find_bundle("nih_pancreas")
        ids = {**STAGES, "epoch_length": STEPS * ranks, "batch_size": 2}
        config = configuration(root, "train", ["small"], {"train": ids}, ranks=ranks).config
        set_ids(config, {"datalist": "datalist.json", "output_dir": "repeat", "cache_dir": "../cache"}, name)
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        write_json(folder / "datalist.json", cases)
        write_json(folder / "metadata.json", {"version": "1"})
        expected = ("model.pt", "snapshot.pt")
        return Order("model/g0/axial", "train", str(folder), "key", expected, 1, interval=Interval(0, 1), ranks=ranks)

    return order


def train(order: Order, *watch: object) -> dict[str, str]:
    """Train, or go on; hashes of what is left."""
    run_bundle(order, None, watch=watch, checkpoints=checkpoints_of(order))  # type: ignore[arg-type]
    return {name: hash_file(Path(order.folder) / name) for name in order.expected}


def log(order: Order) -> str:
    return (Path(order.folder) / "log.txt").read_text(encoding="utf-8")


def kept(order: Order) -> int:
    record = checkpoints_of(order).usable()
    assert record is not None
    return record.iteration


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> dict[int, dict[str, str]]:
    return {ranks: train(make(f"undisturbed {ranks}", ranks)) for ranks in (1, 2)}


def test_two_ranks_train_another_network_than_one(undisturbed: dict[int, dict[str, str]]) -> None:
    assert undisturbed[1].keys() == undisturbed[2].keys()
    assert undisturbed[1]["model.pt"] != undisturbed[2]["model.pt"]


@pytest.mark.parametrize("moments", [(5,), (8, 17)], ids=["in stage I", "in stages I and J"])
def test_killed_inside_a_stage_it_ends_the_same(
    make: Make, jobs: ModuleType, undisturbed: dict[int, dict[str, str]], moments: tuple[int, ...]
) -> None:
    order, processes = make(f"killed at {moments}", 1), FreshProcesses()
    for moment in moments:
        with pytest.raises(ProcessEndedError, match="SIGKILL"):
            processes.call(jobs.train, (order, jobs.Signal(moment, 0)), {})
        assert kept(order) == moment - 1
    assert train(order) == undisturbed[1]
    assert f"Taken up from the checkpoint at iteration {moments[-1] - 1} of 18" in log(order)


# --- two ranks


def test_a_rank_that_is_killed_ends_all_and_the_training_goes_on_from_its_checkpoint(
    make: Make, jobs: ModuleType, undisturbed: dict[int, dict[str, str]]
) -> None:
    order = make("a rank killed", 2)
    with pytest.raises(AtsoError, match=r"^rank 1 of its 2 processes was ended by SIGKILL \(often: the machine ran"):
        train(order, jobs.Signal(8, rank=1))
    assert kept(order) == 7
    assert train(order) == undisturbed[2]
    assert "[rank 1] atso_monai.checkpoint.handler INFO: Taken up from the checkpoint at iteration 7" in log(order)
    losses = read_losses(Path(order.folder) / "losses.csv")
    assert [iteration for iteration, _ in losses][-11:] == list(range(8, 19))  # rank 0 alone writes them


def test_a_rank_that_is_asked_to_stop_stops_all_with_a_checkpoint(
    make: Make, jobs: ModuleType, undisturbed: dict[int, dict[str, str]]
) -> None:
    order = replace(make("rank 1 stopped", 2), interval=Interval(0, 0))
    with stop_signals(), pytest.raises(StopSignal, match="SIGUSR1"):
        train(order, jobs.Signal(6, 1, signal.SIGUSR1))
    assert kept(order) == 6
    assert train(order) == undisturbed[2]


def test_a_loss_that_is_no_number_in_any_rank_ends_all(make: Make, jobs: ModuleType) -> None:
    order = make("no number", 2)
    with pytest.raises(AtsoError, match=r"^rank 1: FloatingPointError: The loss is nan at iteration 5"):
        train(order, jobs.NoNumber(5, rank=1))
    assert kept(order) == 4
    assert not (Path(order.folder) / "model.pt").exists()
