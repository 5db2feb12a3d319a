"""What the engine says of other people's bundles before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Engine
from atso_monai.engine.configuration import Bundles
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


def shifted_labels(content: dict[str, Any]) -> None:
    mapped = {"_target_": "MapLabelValued", "keys": "label", "orig_labels": [0, 1, 2], "target_labels": [0, 1, 7]}
    content["train"]["deterministic_transforms"].append(mapped)


def image_alone(content: dict[str, Any]) -> None:
    content["train"]["deterministic_transforms"][0]["keys"] = "image"


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        (
            "train",
            four_classes,
            r"(?s)\(train\) gives 4 channels, but the cohort has 3 classes.*train:\n +num_classes: "
            r'\["network_def::out_channels"\]',
        ),
        ("train", shifted_labels, r"(?s)transforms of zoo #1 50% \(case .*\) make 7 of its label"),
        ("train", two_modalities, r"\(train\) takes 2 channels"),
        ("train", image_alone, r"loads one file of each case, 'image'.*no segmentation bundle"),
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


def test_why_a_bundle_may_not_fit(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    described = {"version": "1", "monai_version": "0.9.1", "optional_packages_version": {"no-such-package": "1"}}
    (zoo_bundle / "configs" / "metadata.json").write_text(json.dumps(described), encoding="utf-8")
    change(zoo_bundle, "train", nonsense)
    with pytest.raises(ConfigError, match=r"written for MONAI 0\.9\.1, and this is "):
        Engine(zoo_bundle, cohort, tmp_path / "run").check()
    notes = Bundles(zoo_bundle).notes
    assert [note for note in notes if "not installed: no-such-package." in note] == notes[-1:]


def test_json_with_comments(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    (zoo_bundle / "configs" / "train.json").write_text('{"a": 1,\n# "b": 2\n}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not valid YAML or JSON \(train\.json\)"):
        Engine(zoo_bundle, cohort, tmp_path / "run").check()


def test_a_configuration_in_several_files(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    folder = zoo_bundle / "configs"
    content = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    (folder / "net.json").write_text(json.dumps({"network_def": content.pop("network_def")}), encoding="utf-8")
    (folder / "train.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"(?s)@network_def, in network\n.*config: \[train\.json, FILE\]"):
        Engine(zoo_bundle, cohort, tmp_path / "run").check()
    (folder / "atso_mapping.yaml").write_text("train: {config: [train.json, net.json]}", encoding="utf-8")
    Engine(zoo_bundle, cohort, tmp_path / "run").check()


KNOWN = """
import torch
from monai.networks.nets import UNet


def known(**settings):
    network = UNet(**settings)
    for weight in network.parameters():
        weight.data = torch.linspace(-1, 1, weight.numel()).reshape(weight.shape)
    return network
"""


def test_weights_that_a_bundles_code_puts_into_its_network(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    """They may have seen the test cases; a start from them is said in the mapping."""
    (zoo_bundle / "scripts").mkdir()
    (zoo_bundle / "scripts" / "net.py").write_text(KNOWN, encoding="utf-8")

    def loaded(content: dict[str, Any]) -> None:
        content["imports"].append("$import scripts.net")
        content["network_def"]["_target_"] = "scripts.net.known"

    change(zoo_bundle, "train", loaded)
    with pytest.raises(ConfigError, match="zoo #1 50% makes its network with the same weights whatever the seed"):
        Engine(zoo_bundle, cohort, tmp_path / "run").check()
