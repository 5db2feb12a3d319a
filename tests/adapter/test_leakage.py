"""Cases and weights that a bundle could bring in beside those of the engine."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from atso_monai.adapter import BundleMapping, TrainIds, adapt
from atso_monai.errors import ConfigError

Config = dict[str, Any]
LISTED = "$sorted(glob.glob('/mine/*.nii.gz'))"


def bundle(**more: Any) -> Config:
    """A training whose cases, epochs and evaluator have names that nobody else uses."""
    return {
        "net": {"_target_": "UNet", "in_channels": 1, "out_channels": 3},
        "mine": LISTED,
        "others": LISTED,
        "where": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "load": [{"_target_": "LoadImaged", "keys": ["image", "label"]}],
        "set": {"_target_": "Dataset", "data": "@mine", "transform": "@load"},
        "loader": {"_target_": "DataLoader", "dataset": "@set"},
        "judge_set": {"_target_": "Dataset", "data": "@others", "transform": "@load"},
        "judge": {
            "_target_": "SupervisedEvaluator",
            "val_data_loader": {"_target_": "DataLoader", "dataset": "@judge_set"},
            "network": "@net",
        },
        "schedule": {"_target_": "StepLR", "step_size": "$len(@mine) // 2"},
        "handlers": [
            {"_target_": "LrScheduleHandler", "lr_scheduler": "@schedule"},
            {"_target_": "ValidationHandler", "validator": "@judge", "interval": 5},
        ],
        "teacher": {
            "_target_": "SupervisedTrainer",
            "train_data_loader": "@loader",
            "network": "@net",
            "device": "@where",
            "max_epochs": 9,
            "inferer": {"_target_": "SlidingWindowInferer", "device": "$torch.device('cpu')"},
            "train_handlers": "@handlers",
        },
        "run": ["$@teacher.run()"],
        **more,
    }


def rewired(config: Config, **ids: Any) -> Config:
    before = copy.deepcopy(config)
    result = adapt(config, "train", BundleMapping(train=TrainIds(**ids)), Path("b"), "b/configs/train.json").config
    assert config == before
    return result


def test_all_that_counts_the_cases_counts_those_of_the_engine() -> None:
    result = rewired(bundle())
    assert result["mine"]["_target_"] == "atso_monai.adapter.cases"
    assert result["set"]["data"] == "@mine"
    assert result["others"] == LISTED  # nobody asks for it


def test_two_lists_that_are_one_are_told_apart() -> None:
    config = bundle()
    config["judge_set"]["data"] = "@mine"
    result = rewired(config, validation_cases=2)
    assert result["mine"]["held_out"] == 2 and "validation" not in result["mine"]
    assert result["judge_set"]["data"] == {**result["mine"], "validation": True}


def test_validation_happens_even_in_a_short_training() -> None:
    for interval, expected in ((5, "5"), ("@every", "@every"), ("$@every + 1", "@every + 1")):
        config = bundle(every=7)
        config["handlers"][1]["interval"] = interval
        found = rewired(config, validation_cases=1)["handlers"][1]["interval"]
        assert found == f"$min({expected}, @atso::max_epochs)"
    parser = ConfigParser({"every": 7, "atso": {"max_epochs": 3}, "interval": found})
    assert parser.get_parsed_content("interval") == 3


def own_handler() -> Config:
    config = bundle()
    config["handlers"][1]["_target_"] = "scripts.Judge"
    return config


def literal_cases() -> Config:
    config = own_handler()
    config["judge_set"]["data"] = [{"image": "a.nii.gz", "label": "b.nii.gz"}]
    return config


def literal_cases_elsewhere() -> Config:
    config = own_handler()
    config["others"] = [{"image": "a.nii.gz", "label": "b.nii.gz"}]
    return config


def listed_by_a_component() -> Config:
    config = own_handler()
    config["others"] = {"_target_": "load_decathlon_datalist", "data_list_file_path": "/mine/dataset.json"}
    return config


def data_set_of_monai() -> Config:
    config = own_handler()
    config["judge_set"] = {"_target_": "DecathlonDataset", "root_dir": "/mine", "section": "validation"}
    return config


def counted_elsewhere() -> Config:
    config = bundle(steps="$len(os.listdir('/mine'))")
    config["schedule"]["step_size"] = "@steps"
    return config


@pytest.mark.parametrize(
    ("make", "way"),
    [
        (own_handler, "others <- judge_set <- judge"),
        (literal_cases, "judge_set <- judge"),
        (literal_cases_elsewhere, "judge_set <- judge"),
        (listed_by_a_component, "judge_set <- judge"),
        (data_set_of_monai, "judge_set <- judge"),
        (counted_elsewhere, "steps <- schedule"),
    ],
)
def test_cases_of_the_bundles_own_are_refused_under_any_name(make: Any, way: str) -> None:
    with pytest.raises(ConfigError, match=f"reads the bundle's own data set while it runs: {way}"):
        rewired(make())


def test_cases_of_the_engine_are_no_cases_of_its_own() -> None:
    """A second data set on the list of training, or with an empty one, leaks nothing."""
    config = own_handler()
    config["judge_set"]["data"] = "$@mine[:2]"
    assert rewired(config)["judge_set"]["data"] == "$@mine[:2]"
    config["judge_set"]["data"] = "@mine"
    assert rewired(config)["judge_set"]["data"] == "@mine"
    config["judge_set"]["data"] = []
    rewired(config)


def test_released_weights_are_refused_where_nobody_looks_for_them() -> None:
    filled = {"filled": "$@net.load_state_dict(torch.load('released.pt'))", "initialize": ["@filled"]}
    with pytest.raises(ConfigError, match=r"loads weights of its own, at filled"):
        rewired(bundle(**filled))
    assert rewired(bundle(**filled), set={"filled": None})["filled"] is None


@pytest.mark.parametrize(
    "net",
    [
        "$torch.jit.load('released.ts')",
        "$monai.bundle.load('released')",
        {"_target_": "monai.bundle.load", "name": "released"},
    ],
)
def test_a_network_that_is_made_with_its_weights_is_refused(net: Any) -> None:
    with pytest.raises(ConfigError, match=r"loads weights of its own, at net"):
        rewired(bundle(net=net), out_channels=3)
    assert rewired(bundle(net="$monai.bundle.load_bundle_config('x')"), out_channels=3)


def test_what_repeats_the_expression_of_the_device_follows_it() -> None:
    config = bundle()
    config["teacher"]["inferer"]["device"] = config["where"]
    result = rewired(config)
    assert result["teacher"]["inferer"]["device"] == "@atso::device" == result["where"]
    assert rewired(bundle())["teacher"]["inferer"]["device"] == "$torch.device('cpu')"


def test_ids_that_are_left_to_a_command_line() -> None:
    missing = bundle(net="$build(@depth)", ckpt_dir="$@bundle_root + '/models'")
    with pytest.raises(ConfigError, match=r"(?s)does not have:\n  @depth, in net\n.*config: \[train.json, FILE\]"):
        rewired(missing)
    result = rewired(missing, set={"depth": 4}, out_channels=3)
    assert result["depth"] == 4
    assert result["bundle_root"] == "@atso::bundle_root"
    with pytest.raises(ConfigError, match="names 'dept', but"):
        rewired(missing, set={"dept": 4})
