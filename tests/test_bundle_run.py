from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from atso_monai.bundle_run import run_config
from atso_monai.checkpoint import CheckpointFolder
from atso_monai.errors import AtsoError, ConfigError
from atso_monai.files import write_json

RUN: dict[str, Any] = {
    "imports": ["$from pathlib import Path"],
    "output_dir": "repeat",
    "device": "cpu",
    "initialize": ["$monai.utils.set_determinism(seed=3)"],
    "run": ["$Path(@output_dir, 'ran').write_text(str(Path.cwd()))"],
    "finalize": ["$Path('finalized').write_text('')"],
}


def step(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    write_json(folder / "metadata.json", {"version": "1"})
    return folder


def test_a_run_happens_inside_its_folder_and_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    folder = step(tmp_path / "step #1 50% $x ä", RUN)
    before = Path.cwd(), list(sys.path), logging.getLogger().handlers[:], torch.are_deterministic_algorithms_enabled()
    run_config(folder, "score", {"output_dir": "."})
    assert (folder / "ran").read_text() == str(folder)
    assert (folder / "finalized").exists()
    after = Path.cwd(), list(sys.path), logging.getLogger().handlers[:], torch.are_deterministic_algorithms_enabled()
    assert after == before
    assert not torch.backends.cudnn.deterministic
    assert yaml.safe_load((folder / "config.yaml").read_text())["output_dir"] == "repeat"


@pytest.mark.parametrize("part", ["run", "initialize"])
def test_finalize_runs_after_an_error_too(tmp_path: Path, part: str) -> None:
    folder = step(tmp_path / "step", {**RUN, part: ["$1 / 0"]})
    cwd = os.getcwd()
    with pytest.raises(Exception) as caught:
        run_config(folder, "score", {})
    assert isinstance(caught.value.__cause__ or caught.value, ZeroDivisionError)
    assert (folder / "finalized").exists()
    assert os.getcwd() == cwd


TRAINING: dict[str, Any] = {
    "output_dir": "repeat",
    "network": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1},
    "train": {
        "trainer": {
            "_target_": "SupervisedTrainer",
            "device": "$torch.device('cpu')",
            "max_epochs": 1,
            "epoch_length": 2,
            "train_data_loader": {"_target_": "torch.utils.data.DataLoader", "dataset": []},
            "network": "@network",
            "optimizer": {"_target_": "torch.optim.SGD", "params": "$@network.parameters()", "lr": 0.1},
            "loss_function": {"_target_": "torch.nn.MSELoss"},
        }
    },
    "run": ["$@train::trainer.run()"],
}


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.filterwarnings("ignore:Data iterator can not provide data")
def test_a_training_without_data_is_no_training(tmp_path: Path, kept: bool) -> None:
    folder = step(tmp_path / "step", TRAINING)
    with pytest.raises(AtsoError, match="The training took no step"):
        run_config(folder, "train", {}, checkpoints=CheckpointFolder(folder, {}) if kept else None)


def test_a_run_refuses_unknown_ids(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no id 'outputdir'.*'output_dir'"):
        run_config(step(tmp_path / "step", RUN), "score", {"outputdir": "."})
