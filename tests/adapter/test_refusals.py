"""What the engine says of other people's bundles before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Engine
from atso_monai.errors import ConfigError

Change = Callable[[dict[str, Any]], None]


def change(root: Path, name: str, how: Change) -> None:
    file = root / "configs" / f"{name}.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    how(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def four_classes(content: dict[str, Any]) -> None:
    content["network_def"]["out_channels"] = 4


def wider(content: dict[str, Any]) -> None:
    content["network_def"]["channels"] = [4, 16]


def two_modalities(content: dict[str, Any]) -> None:
    content["network_def"]["in_channels"] = 2


def nonsense(content: dict[str, Any]) -> None:
    content["train"]["deterministic_transforms"].append({"_target_": "Resized", "keys": "image", "spatial_size": "no"})


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("train", four_classes, r"(?s)\(train\) gives 4 channels, but the cohort has 3 classes.*num_classes"),
        ("inference", wider, r"(?s)have different networks.*First difference: "),
        ("inference", two_modalities, "takes 2 channels"),
        ("train", nonsense, r"(?s)zoo #1 50% \(train\) cannot be set up on one case"),
        ("train", lambda content: content["train"].pop("trainer"), "trainer: the component that trains"),
    ],
)
def test_bad_bundles_leave_no_trace(
    zoo_bundle: Path, cohort: Cohort, tmp_path: Path, name: str, how: Change, message: str
) -> None:
    change(zoo_bundle, name, how)
    with pytest.raises(ConfigError, match=message):
        Engine(zoo_bundle, cohort, tmp_path / "run", executor="inline").run()
    assert not (tmp_path / "run").exists()


def test_a_bundle_without_configurations(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    (zoo_bundle / "configs" / "train.json").rename(zoo_bundle / "configs" / "training_v2.json")
    with pytest.raises(ConfigError, match=r"has no configs/train.yaml or .json. It has: .*training_v2.json.*config:"):
        Engine(zoo_bundle, cohort, tmp_path / "run").check()
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("train: {config: training_v2.json}")
    Engine(zoo_bundle, cohort, tmp_path / "run", mapping=mapping).check()


def test_bundles_of_two_kinds_do_not_go_together(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="do not go together"):
        Engine("msd_hippocampus", cohort, tmp_path / "run", infer_bundle=zoo_bundle).check()
