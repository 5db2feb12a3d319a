from __future__ import annotations

from pathlib import Path

import pytest

from atso_monai.engine.execution import Execution
from atso_monai.engine.schedule import Room
from atso_monai.engine.slurm import gpus_for
from atso_monai.errors import ConfigError

FOUR = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")


def test_what_runs_at_a_time() -> None:
    assert Execution("inline", workers=4, devices=FOUR).room == Room(1)
    pairs = Execution(workers=8, devices=FOUR, ranks=2).room
    assert (pairs.trainings(), pairs.others()) == (2, 4)
    assert Execution(workers=3, ranks=2).room.trainings() == 3
    assert Execution("dask", workers=9, devices=FOUR, ranks=2, cluster="tcp://head:8786").room.trainings() == 9


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (Execution(ranks=0), "ranks must be"),
        (Execution(ranks=3, devices=FOUR[:2]), "takes 3 devices for each training"),
        (Execution("ray"), "executor must be one of"),
    ],
)
def test_what_no_machine_could_carry_out(execution: Execution, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        execution.require_sound()


def test_more_ranks_than_gpus_are_refused_and_cpus_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    Execution(ranks=2, workers=1).require_devices()
    Execution(ranks=3, devices=("cpu",) * 3).require_devices()
    Execution("dask", ranks=3).require_devices()
    with pytest.raises(ConfigError, match="takes 3 GPUs for each training, but this machine has 2"):
        Execution(ranks=3).require_devices()
    with pytest.raises(ConfigError, match=r"Take workers: 1, or devices: \[cuda:0, cuda:1\]"):
        Execution(ranks=2).require_devices()
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    Execution(ranks=3).require_devices()


def test_a_batch_job_asks_for_the_gpus_of_its_run() -> None:
    assert gpus_for(Execution(), None) == "1"
    assert gpus_for(Execution(ranks=4, workers=1), None) == "4"
    assert gpus_for(Execution(ranks=2, devices=FOUR), None) == "4"
    assert gpus_for(Execution(ranks=2, devices=("cpu", "cpu")), None) == "0"
    assert gpus_for(Execution(devices=("cuda:0", "cuda:0")), None) == "1"  # steps that share it
    assert gpus_for(Execution(devices=("cuda:0", "cuda:0")), "1") == "1"
    assert gpus_for(Execution(devices=("cuda:2", "cuda:3")), None) == "4"  # in a job they are counted from 0
    assert gpus_for(Execution(devices=("cuda", "cpu:0")), None) == "1"
    assert gpus_for(Execution("dask", ranks=2, cluster="tcp://head:8786"), None) == "0"
    assert gpus_for(Execution(ranks=2, workers=1), "a100:2") == "a100:2"
    assert gpus_for(Execution(ranks=2), "0") == "0"
    with pytest.raises(ConfigError, match=r"uses 2 GPUs at a time .* Received: --gpus a100:1\. Give it 2"):
        gpus_for(Execution(ranks=2), "a100:1")
    with pytest.raises(ConfigError, match=r"same GPUs\. Take workers: 1, or devices: \[cuda:0, cuda:1\]"):
        gpus_for(Execution(ranks=2), None)  # as the job itself would, after its time in the queue
    with pytest.raises(ConfigError, match="uses 4 GPUs at a time"):
        gpus_for(Execution(devices=FOUR), "0")


def test_a_trial_lies_where_workers_of_a_cluster_see_it(tmp_path: Path) -> None:
    assert Execution().shared_folder(tmp_path / "runs" / "new") is None
    assert Execution("dask").shared_folder(tmp_path / "runs" / "new") == tmp_path
