"""Configurations in the structures that bundles of the MONAI model zoo have: what is found, what is refused and how."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from atso_monai.adapter import BundleMapping, InferenceIds, TrainIds, adapt, written_for_the_engine
from atso_monai.adapter.find import find_inference, find_train
from atso_monai.bundle import embedded_bundles, plain_config, read_config
from atso_monai.errors import ConfigError

Config = dict[str, Any]
BOTH = ["image", "label"]


def trainer(**parts: Any) -> Config:
    usual = {"train_data_loader": "@train#dataloader", "network": "@network", "device": "@device", "max_epochs": 9}
    return {"_target_": "SupervisedTrainer", **usual, **parts}


def evaluator(**parts: Any) -> Config:
    usual = {"val_data_loader": "@dataloader", "network": "@network", "device": "@device", "val_handlers": "@handlers"}
    return {"_target_": "SupervisedEvaluator", **usual, **parts}


def nested(data: str, load: Any = BOTH, **more: Any) -> Config:
    """Most of the zoo: sections train and validate."""
    return {
        "bundle_root": ".",
        "ckpt_dir": "$@bundle_root + '/models'",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "SegResNet", "in_channels": 1, "out_channels": 3},
        "network": "$@network_def.to(@device)",
        "train": {
            "pre": [{"_target_": "LoadImaged", "keys": load}],
            "dataset": {"_target_": "CacheDataset", "data": data, "transform": "$monai.transforms.Compose(@train#pre)"},
            "dataloader": {"_target_": "DataLoader", "dataset": "@train#dataset", "batch_size": 2},
            "handlers": [
                {"_target_": "CheckpointLoader", "_disabled_": "$not False", "load_path": "x", "load_dict": {}},
                {"_target_": "ValidationHandler", "validator": "@validate#evaluator", "interval": 1},
            ],
            "trainer": trainer(train_handlers="@train#handlers"),
        },
        "validate": {
            "dataset": {"_target_": "Dataset", "data": "@val_datalist", "transform": "%train#pre"},
            "dataloader": {"_target_": "DataLoader", "dataset": "@validate#dataset"},
            "handlers": [{"_target_": "CheckpointSaver", "save_dir": "@ckpt_dir", "save_dict": {"model": "@network"}}],
            "evaluator": evaluator(val_data_loader="@validate#dataloader", val_handlers="@validate#handlers"),
        },
        "val_datalist": [],
        "training": ["$monai.utils.set_determinism(seed=123)", "$@train#trainer.run()"],
        **more,
    }


def flat() -> Config:
    """The zoo's segmentation template: all ids at the top, constants of MONAI as keys, data as pairs of a partition."""
    return {
        "image": "$monai.utils.CommonKeys.IMAGE",
        "label": "$monai.utils.CommonKeys.LABEL",
        "both_keys": ["@image", "@label"],
        "num_epochs": 20,
        "device": "$torch.device('cpu')",
        "dataset_dir": "$@bundle_root + '/train_data'",
        "bundle_root": ".",
        "results_dir": "$@bundle_root + '/results'",
        "output_dir": "$datetime.datetime.now().strftime(@results_dir + '/output_%y%m%d_%H%M%S')",
        "network_def": {"_target_": "UNet", "in_channels": 1, "out_channels": "@num_classes"},
        "num_classes": 4,
        "network": "$@network_def.to(@device)",
        "imgs": "$sorted(glob.glob(@dataset_dir+'/img*.nii.gz'))",
        "partitions": "$monai.data.partition_dataset(@imgs, (4, 1), shuffle=True, seed=0)",
        "train_sub": "$@partitions[0]",
        "val_sub": "$@partitions[1]",
        "preprocessing": {"_target_": "Compose", "transforms": [{"_target_": "LoadImaged", "keys": "@both_keys"}]},
        "train_dataset": {"_target_": "Dataset", "data": "@train_sub", "transform": "@preprocessing"},
        "val_dataset": {"_target_": "Dataset", "data": "@val_sub", "transform": "@preprocessing"},
        "train_dataloader": {"_target_": "ThreadDataLoader", "dataset": "@train_dataset", "repeats": 1},
        "val_dataloader": {"_target_": "DataLoader", "dataset": "@val_dataset"},
        "evaluator": evaluator(val_data_loader="@val_dataloader"),
        "metriclogger": {"_target_": "MetricLogger", "evaluator": "@evaluator"},
        "handlers": [
            "@metriclogger",
            {"_target_": "ValidationHandler", "validator": "@evaluator", "interval": 1},
            {"_target_": "CheckpointSaver", "save_dir": "@output_dir", "save_dict": {"model": "@network"}},
        ],
        "trainer": trainer(train_data_loader="@train_dataloader", max_epochs="@num_epochs", train_handlers="@handlers"),
        "run": ["$@trainer.run()"],
    }


def inference(data: str = "$[{'image': i} for i in @datalist]", load: Any = "image", **more: Any) -> Config:
    """Most of the zoo: a loader among the handlers."""
    return {
        "bundle_root": ".",
        "dataset_dir": "/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "UNet", "in_channels": 1, "out_channels": 3},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": [{"_target_": "LoadImaged", "keys": load}]},
        "dataset": {"_target_": "Dataset", "data": data, "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "shuffle": True},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "nearest_interp": False},
                {"_target_": "SaveImaged", "keys": "pred", "data_root_dir": "@dataset_dir"},
            ],
        },
        "handlers": [{"_target_": "CheckpointLoader", "load_path": "m.pt", "load_dict": {"model": "@network"}}],
        "evaluator": evaluator(postprocessing="@postprocessing"),
        "evaluating": ["$setattr(torch.backends.cudnn, 'benchmark', True)", "$@evaluator.run()"],
        **more,
    }


def rewired(config: Config, kind: str = "train", mapping: BundleMapping | None = None) -> Config:
    before = copy.deepcopy(config)
    result = adapt(
        plain_config(config, Path(".")), kind, mapping or BundleMapping(), Path("bundle"), "b/configs/x.json"
    )
    assert config == before
    return result.config


# --- what is found


def test_the_parts_of_nested_configurations() -> None:
    # as in spleen_ct, swin_unetr_btcv, wholeBody_ct, endoscopic_tool
    found = find_train(nested("$[{'image': i} for i in @images]"), TrainIds(), "x")
    assert (found.trainer, found.data, found.network) == (
        "train::trainer",
        "train::dataset::data",
        "train::trainer::network",
    )
    assert (found.image_key, found.label_key) == ("image", "label")
    assert found.validation_data == "validate::dataset::data"


def test_the_parts_of_flat_configurations() -> None:
    # as in segmentation_template, ventricular_short_axis
    found = find_train(flat(), TrainIds(), "x")
    assert (found.trainer, found.data) == ("trainer", "train_dataset::data")
    assert (found.image_key, found.label_key) == ("image", "label")
    assert found.validation_data == "val_dataset::data"


@pytest.mark.parametrize(
    ("load", "keys"), [("@image_key", "image"), (["img"], "img"), ("$monai.utils.CommonKeys.IMAGE", "image")]
)
def test_the_parts_of_inference(load: Any, keys: str) -> None:
    found = find_inference(inference(load=load, image_key="image"), InferenceIds(), "x")
    assert (found.evaluator, found.data, found.image_key) == ("evaluator", "dataset::data", keys)
    assert found.prediction_key == "pred"


def test_the_engines_own_bundles_are_left_as_they_are() -> None:
    for root in embedded_bundles().values():
        for kind, name in (("train", "train"), ("predict", "inference")):
            assert written_for_the_engine(read_config(root, name), kind)
    assert not written_for_the_engine(nested("@x"), "train")
    assert not written_for_the_engine(inference(), "predict")


# --- what is set


def test_epochs_go_where_all_read_them() -> None:
    # as in brats_mri and pediatric_abdominal_ct: a schedule reads them too
    for name in ("epochs", "max_epochs"):
        config = nested("@data_list", data_list=[], **{name: 300}, schedule={"T_max": f"@{name}"})
        config["train"]["trainer"]["max_epochs"] = f"@{name}"
        result = rewired(config)
        assert result[name] == "@atso::max_epochs"
        assert result["atso"]["max_epochs"] == 300
    assert rewired(nested("@val_datalist"))["train"]["trainer"]["max_epochs"] == "@atso::max_epochs"


def test_all_that_brings_weights_or_validates_stands_still() -> None:
    result = rewired(nested("@val_datalist"))
    handlers = [*result["train"]["handlers"], *result["validate"]["handlers"]]
    assert {h["_target_"] for h in handlers} == {"atso_monai.adapter.Inert"}
    assert result["network"] == {
        "_target_": "atso_monai.networks.load_weights",
        "network": "$@network_def.to(@device)",
        "path": "@atso::start",
    }
    assert result["initialize"][0] == {"_target_": "monai.utils.set_determinism", "seed": "@atso::seed"}
    assert result["run"] == ["$@train#trainer.run()"] or result["run"] == ["$@train::trainer.run()"]
    assert "training" not in result


def test_loaders_in_expressions_are_left_out() -> None:
    first = ["$@network.load_state_dict(torch.load(@ckpt))", "$print('hello')"]
    assert rewired(nested("@val_datalist", initialize=first, ckpt="x"))["initialize"][1:-1] == ["$print('hello')"]


def test_data_sets_of_a_bundle_are_not_reached() -> None:
    result = rewired(flat())
    assert result["train_sub"]["_target_"] == "atso_monai.adapter.cases"
    assert result["train_dataset"]["data"] == "@train_sub"
    assert result["val_dataset"]["data"]["validation"] is True  # made for the MetricLogger, never run
    assert result["output_dir"] == result["results_dir"] == "bundle_output"


def test_caches_that_know_paths_alone_do_not_outlive_a_step() -> None:
    # as in prostate_mri_anatomy and pediatric_abdominal_ct
    config = nested("@val_datalist")
    config["train"]["dataset"] |= {"_target_": "PersistentDataset", "cache_dir": "$@bundle_root + '/cache'"}
    assert rewired(config)["train"]["dataset"]["cache_dir"] == "scratch"


def test_labels_are_inverted_by_nearest_neighbour() -> None:
    # as in prostate_mri_anatomy and wholeBody_ct: argmax comes before Invertd
    result = rewired(inference(), "predict")
    steps = result["postprocessing"]["transforms"]
    assert steps[1]["nearest_interp"] is True
    assert steps[2] == {"_target_": "atso_monai.adapter.Inert", "stands_for": "SaveImaged"}
    scores = inference()
    scores["postprocessing"]["transforms"].reverse()
    assert rewired(scores, "predict")["postprocessing"]["transforms"][1]["nearest_interp"] is False


def test_the_result_is_a_configuration_that_monai_can_set_up() -> None:
    result = rewired(nested("@val_datalist"))
    parser = ConfigParser(result)
    parser["atso::device"] = "$torch.device('cpu')"
    network = parser.get_parsed_content("atso::network")
    assert network is parser.get_parsed_content("network")


def test_a_mapping_names_and_sets_what_cannot_be_found() -> None:
    config = nested("@val_datalist", arch=[1, 2])
    config["train"]["teach"] = config["train"].pop("trainer") | {"_target_": "scripts.Engine"}
    config["training"] = ["$@train#teach.run()"]
    ids = TrainIds(trainer="train::teach", num_classes=("network_def::out_channels",), set={"arch": [3]})
    result = rewired(config, mapping=BundleMapping(train=ids))
    assert result["network_def"]["out_channels"] == "@atso::num_classes"
    assert result["arch"] == [3]
    assert result["atso"]["train"]["trainer"] == "@train::teach"


# --- what is refused


def without(config: Config, *names: str) -> Config:
    for name in names:
        config["train"]["trainer"].pop(name)
    return config


def sigmoid() -> Config:
    # as in brats_mri: three overlapping classes
    config = nested("@val_datalist")
    config["loss"] = {"_target_": "DiceLoss", "sigmoid": True}
    return config


def its_own_shape() -> Config:
    # as in ventricular_short_axis: a size is measured on the bundle's own data, here on that of validation
    config = flat()
    config["im_shape"] = "$@val_sub[0]['image'].shape"
    config["preprocessing"]["transforms"].append({"_target_": "RandSmoothDeformd", "spatial_size": "@im_shape"})
    return config


def two_trainers() -> Config:
    config = flat()
    config["one"] = config.pop("trainer")
    config["two"] = copy.deepcopy(config["one"])
    return config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: without(nested("@x"), "max_epochs", "network"),
            r"(?s)network: the network.*max_epochs: .*train:\n    netw",
        ),
        (lambda: without(nested("@x"), "train_data_loader"), r"data: the list of cases"),
        (two_trainers, r"trainer: the component that trains"),
        (sigmoid, r"3 classes that may overlap"),
        (its_own_shape, r"(?s)im_shape.*set: \{'.*': VALUE\}"),
        (lambda: nested("@x", load=["image", "label_inst", "label_type"]), r"several files of each case"),  # nuclei
    ],
)
def test_what_cannot_be_mapped_is_told_with_its_way_out(make: Callable[[], Config], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rewired(make())


def test_a_mapping_that_names_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer names 'train::teacher', but b/configs/x\.json has no such id"):
        rewired(nested("@x"), mapping=BundleMapping(train=TrainIds(trainer="train::teacher")))


def test_no_evaluator() -> None:
    config = inference()
    config["evaluator"]["_target_"] = "EnsembleEvaluator"
    config["evaluator"].pop("network")
    with pytest.raises(ConfigError, match="network: the network"):
        rewired(config, "predict")


def test_weights_to_start_from_are_part_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    mapping = BundleMapping(train=TrainIds(pretrained="models/model.pt"))
    config = plain_config(nested("@val_datalist"), tmp_path)
    with pytest.raises(ConfigError, match=r"pretrained names .*model\.pt, but there is no such file"):
        adapt(config, "train", mapping, tmp_path, "x")
    found = []
    for content in (b"one", b"other"):
        (tmp_path / "models" / "model.pt").write_bytes(content)
        section = adapt(config, "train", mapping, tmp_path, "x").config["atso"]
        assert section["pretrained"] == "bundle_root/models/model.pt"
        found.append(section["pretrained_content"])
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("saved", "key"), [(["pred", "image"], "pred"), (["image", "seg"], "seg"), (["image"], "pred"), (["seg"], "seg")]
)
def test_the_prediction_among_what_is_saved(saved: list[str], key: str) -> None:
    config = inference()
    config["postprocessing"]["transforms"][2]["keys"] = saved
    assert find_inference(config, InferenceIds(), "x").prediction_key == key
