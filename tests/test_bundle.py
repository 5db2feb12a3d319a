from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_net_in_out

from atso_monai.adapter.tree import ids_of
from atso_monai.bundle import (
    config_files,
    embedded_bundles,
    find_bundle,
    override,
    read_config,
)
from atso_monai.engine import Engine
from atso_monai.engine.configuration import configuration
from atso_monai.errors import ConfigError
from atso_monai.files import read_json
from atso_monai.networks import RSTN

BUNDLES = embedded_bundles()
each_bundle = pytest.mark.parametrize("root", BUNDLES.values(), ids=BUNDLES.keys())


# --- finding


def test_the_embedded_bundles_are_there() -> None:
    assert "msd_hippocampus" in BUNDLES
    for name, root in BUNDLES.items():
        assert find_bundle(name) == root.resolve()
        assert (root / "configs" / "train.yaml").is_file()


def test_a_bundle_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a #1" / "configs").mkdir(parents=True)
    assert find_bundle(tmp_path / "a #1") == tmp_path / "a #1"
    monkeypatch.chdir(tmp_path)
    assert find_bundle("a #1") == tmp_path / "a #1"


@pytest.mark.parametrize("name", ["msd_hipocampus", "MSD_hippocampus"])
def test_no_bundle(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no bundle '{name}'.*Did you mean 'msd_hippocampus'"):
        find_bundle(name)


def test_a_folder_without_configs_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder with configs/"):
        find_bundle(tmp_path)


# --- reading


def bundle(folder: Path, **files: Any) -> Path:
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / "configs" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_overlays_are_merged_in_order(tmp_path: Path) -> None:
    base = {"a": 1, "deep": {"x": 1, "y": [1, 2]}}
    root = bundle(
        tmp_path, train=base, train_one={"a": 2, "deep::x": 5}, train_two={"deep::y": [3]}, atso_three={"b": 1}
    )
    assert read_config(root, "train") == base
    assert read_config(root, "train", ["one"]) == {"a": 2, "deep": {"x": 5, "y": [1, 2]}}
    assert read_config(root, "train", ["one", "two"]) == {"a": 2, "deep": {"x": 5, "y": [3]}}
    assert read_config(root, "train", ["three"]) == base  # has nothing to say on train
    assert [file.name for file in config_files(root, "train", ["two", "one"])] == [
        "train.yaml", "train_two.yaml", "train_one.yaml",
    ]  # fmt: skip


def test_an_overlay_that_sets_what_is_not_there(tmp_path: Path) -> None:
    root = bundle(
        tmp_path, train={"batch_size": 1, "deep": {"x": 1}}, train_bad={"batchsize": 2}, train_deep={"deeep::z": 1}
    )
    with pytest.raises(ConfigError, match=r"train_bad\.yaml sets 'batchsize'.*Did you mean 'batch_size'"):
        read_config(root, "train", ["bad"])
    with pytest.raises(ConfigError, match="sets 'deeep::z'"):
        read_config(root, "train", ["deep"])


def test_an_unknown_overlay(tmp_path: Path) -> None:
    root = bundle(tmp_path, train={}, train_regime_a={}, atso_demo={})
    with pytest.raises(
        ConfigError, match=r"has no overlay 'regime_b'. It has: demo, regime_a. Did you mean 'regime_a'"
    ):
        read_config(root, "train", ["regime_b"])


def test_a_missing_or_damaged_configuration(tmp_path: Path) -> None:
    root = bundle(tmp_path, train="a: [1, 2\nb: }")
    with pytest.raises(ConfigError, match=r"has no configs/inference\.yaml"):
        read_config(root, "inference")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_config(root, "train")


# --- overriding


def config() -> dict[str, Any]:
    return {"seed": 0, "train": {"trainer": {"max_epochs": 1}, "handlers": [{"a": 1}, {"b": 2}]}, "none": None}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 7),
        ("train::trainer::max_epochs", 3),
        ("train#trainer#max_epochs", 3),
        ("train::handlers::1::b", [1, {"x": "@seed"}]),
        ("none", Path("/a #b/100%/$c")),
        ("seed", None),
        ("train", {"whole": "tree"}),
    ],
)
def test_values_are_set_in_place(key: str, value: Any) -> None:
    content = config()
    override(content, {key: value}, "train.yaml")
    assert ConfigParser(content).get(key) == value


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("sed", "seed"),
        ("train::trainer::max_epoch", "train::trainer::max_epochs"),
        ("train::handlers::2::b", "train::handlers"),
    ],
)
def test_an_unknown_id_is_refused_with_the_nearest(key: str, nearest: str) -> None:
    content = config()
    with pytest.raises(ConfigError, match=f"train.yaml has no id '{key}'. Did you mean '{nearest}"):
        override(content, {key: 1}, "train.yaml")
    assert content == config()


@pytest.mark.parametrize(("key", "value"), [("steps", "many"), ("fast", "yes"), ("part::rate", "high")])
def test_text_for_a_number_or_a_switch_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} must be .*Received: '{value}'"):
        override({"steps": 3, "fast": False, "part": {"rate": 0.1}}, {key: value}, "train.yaml")


def test_an_expression_may_stand_for_a_number() -> None:
    settings = {"steps": 3, "more": 4}
    override(settings, {"steps": "$2 * 3", "more": "@steps"}, "train.yaml")
    assert settings == {"steps": "$2 * 3", "more": "@steps"}


def test_what_does_not_read_back_is_refused() -> None:
    with pytest.raises(ConfigError, match="did not take the value"):
        override(config(), {"none": float("nan")}, "train.yaml")


def test_all_ids() -> None:
    assert set(ids_of(config())) == {
        "seed", "train", "train::trainer", "train::trainer::max_epochs", "train::handlers", "train::handlers::0",
        "train::handlers::0::a", "train::handlers::1", "train::handlers::1::b", "none",
    }  # fmt: skip


# --- what the embedded bundles promise

TRAIN_IDS = (
    "bundle_root", "device", "dataset_dir", "output_dir", "train#trainer", "train#trainer#max_epochs", "train#dataset",
    "train#dataset#data", "train#handlers", "datalist", "cache_dir", "view", "seed", "run_seed", "init_seed",
    "checkpoint_in", "max_epochs", "num_classes", "network_def", "context", "epoch_length",
)  # fmt: skip
INFERENCE_IDS = (
    "bundle_root", "device", "network_def", "inferer", "output_dir", "dataset_dir", "datalist", "dataset#data",
    "evaluator", "handlers", "cache_dir", "checkpoints", "num_classes", "context",
)  # fmt: skip
ATSO_IDS = (
    "bundle_root", "output_dir", "seed", "strategy", "compare", "generations", "epochs::first", "epochs::later",
    "views", "start", "evaluate_each_generation", "final_labels", "diagnostics", "overlays", "overrides", "executor",
    "workers", "threads", "devices", "cluster", "cache_dir", "checkpoint", "cohort", "engine", "labelled", "reference",
    "test", "folds",
)  # fmt: skip


@each_bundle
@pytest.mark.parametrize(
    ("name", "ids"), [("train", TRAIN_IDS), ("inference", INFERENCE_IDS), ("atso", ATSO_IDS)], ids=lambda x: str(x)[:9]
)
def test_standard_ids(root: Path, name: str, ids: tuple[str, ...]) -> None:
    parser = ConfigParser(read_config(root, name))
    assert [one for one in ids if one not in parser] == []


@each_bundle
@pytest.mark.parametrize(("name", "kind"), [("train", "train"), ("inference", "infer")])
def test_required_properties_of_monai(root: Path, name: str, kind: str) -> None:
    from monai.bundle.properties import InferProperties, TrainProperties

    workflow = ConfigWorkflow(
        str(root / "configs" / f"{name}.yaml"), str(root / "configs" / "metadata.json"), logging_file=False,
        workflow_type=kind,
    )  # fmt: skip
    properties = TrainProperties if kind == "train" else InferProperties
    required = {key: entry["id"] for key, entry in properties.items() if entry["required"]}
    meta = read_json(root / "configs" / "metadata.json")
    missing = {key for key, one in required.items() if one not in workflow.parser and "_meta_" not in one}
    assert missing <= {"evaluator"} if kind == "train" else not missing
    for key in ("version", "monai_version", "pytorch_version", "numpy_version", "network_data_format", "changelog"):
        assert key in meta
    assert meta["version"] in meta["changelog"]


@each_bundle
def test_every_setting_of_the_engine_can_be_set(root: Path) -> None:
    """By an id of the same name, each once: YAML would take the last of two without a word."""
    config = read_config(root, "atso")
    known = set(inspect.signature(Engine.__init__).parameters) - {"self", "bundle", "cohort", "variants", "reduction"}
    assert known - {"_target_"} <= set(config["engine"])
    for name in known:
        assert config["engine"][name] == f"@{name}" and name in config
    lines = (root / "configs" / "atso.yaml").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[0] for line in lines if ":" in line and line[:1].isalpha()]
    assert len(names) == len(set(names))


@each_bundle
def test_every_overlay_fits(root: Path) -> None:
    overlays = {
        f.stem.split("_", 1)[1] for f in (root / "configs").glob("*_*.yaml") if not f.stem.startswith("multi_gpu")
    }
    for overlay in overlays:
        for name in ("train", "inference", "atso"):
            read_config(root, name, [overlay])


@each_bundle
def test_every_bundle_can_be_trained_in_several_processes(root: Path) -> None:
    config = configuration(root, "train", ranks=2).config
    assert config["train"]["trainer"]["network"] == "@distributed_network"
    assert config["imports"][: len(read_config(root, "train")["imports"])] == read_config(root, "train")["imports"]
    assert configuration(root, "train").config == read_config(root, "train")
    assert configuration(root, "predict", ranks=2).config == configuration(root, "predict").config


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_the_overlay_for_torchrun_is_laid_over_all_others_but_not_over_overrides(tmp_path: Path, suffix: str) -> None:
    root = tmp_path / "own"
    shutil.copytree(find_bundle("msd_hippocampus"), root)
    (root / "configs" / "multi_gpu_train.yaml").unlink()
    with pytest.raises(ConfigError, match=r"own has no configs/multi_gpu_train\.yaml .* Take ranks: 1, or add one"):
        configuration(root, "train", ranks=2)
    ids = {"batch_size": 5, "learning_rate": 0.5, "train::trainer::epoch_length": 7, "new": 1}
    (root / "configs" / f"multi_gpu_train{suffix}").write_text(json.dumps(ids))
    config = configuration(root, "train", ["regime_a"], {"train": {"learning_rate": 0.1}}, ranks=2).config
    assert (config["batch_size"], config["learning_rate"], config["new"]) == (5, 0.1, 1)
    assert config["train"]["trainer"]["epoch_length"] == 7


def test_bundles_of_others_are_not_trained_in_several_processes(tmp_path: Path) -> None:
    (tmp_path / "zoo" / "configs").mkdir(parents=True)
    for name in ("train", "multi_gpu_train"):
        (tmp_path / "zoo" / "configs" / f"{name}.json").write_text('{"epochs": 3}')
    with pytest.raises(ConfigError, match="ranks: 2 is for bundles that were written for the engine, which zoo is not"):
        configuration(tmp_path / "zoo", "train", ranks=2)


@pytest.mark.parametrize(("classes", "weights"), [(11, 11), (5, 5), (7, None), (2, None)])
def test_street_frames_of_any_number_of_classes_can_be_trained(classes: int, weights: int | None) -> None:
    config = read_config(BUNDLES["camvid"], "train")
    loss = ConfigParser({**config, "num_classes": classes}).get_parsed_content("loss")
    assert (None if loss.weight is None else len(loss.weight)) == weights


def inference_files(root: Path) -> list[str]:
    """The configuration of a bundle, with its small network where it has one."""
    files = [root / "configs" / name for name in ("inference.yaml", "inference_small.yaml")]
    return [str(file) for file in files if file.is_file()]


@each_bundle
def test_verify_net_in_out(root: Path) -> None:
    meta = str(root / "configs" / "metadata.json")
    verify_net_in_out("network_def", meta, inference_files(root), device="cpu", p=1, n=1)


@each_bundle
def test_ckpt_export(root: Path, tmp_path: Path) -> None:
    files = inference_files(root)
    network = ConfigParser(ConfigParser.load_config_files(files)).get_parsed_content("network_def")
    if isinstance(network, RSTN):
        pytest.skip("the boxes of an RSTN follow its data, which TorchScript's scripts cannot express")
    torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
    ckpt_export(
        "network_def", tmp_path / "model.ts", str(tmp_path / "model.pt"), str(root / "configs" / "metadata.json"),
        files, key_in_ckpt="model",
    )  # fmt: skip
    exported = torch.jit.load(tmp_path / "model.ts")
    image = torch.randn((1, 3, 40, 48), generator=torch.Generator().manual_seed(0))
    network.reduced = False  # the exported copy runs in float32
    with torch.no_grad():
        torch.testing.assert_close(exported.eval()(image), network.eval()(image), atol=1e-4, rtol=1e-4)


@each_bundle
def test_a_bundle_holds_configuration_only(root: Path) -> None:
    assert not [file for file in root.rglob("*.py")]
