"""Two bundles of other people: one laid out like those of the MONAI model zoo, one that does things its own way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atso_monai.files import hash_file

Config = dict[str, Any]
DEVICE = "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"
KEYS = ["image", "label"]
ROI = [16, 16, 16]


def network(channels: int = 3) -> Config:
    return {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": channels,
        "channels": [4, 8],
        "strides": [2],
        "norm": "batch",
    }


def loading(keys: Any) -> list[Config]:
    many = keys != "image"
    return [
        {"_target_": "LoadImaged", "keys": keys},
        {"_target_": "EnsureChannelFirstd", "keys": keys},
        {"_target_": "Orientationd", "keys": keys, "axcodes": "RAS"},
        {
            "_target_": "Spacingd",
            "keys": keys,
            "pixdim": [1.5, 1.5, 2.0],
            "mode": ["bilinear", "nearest"] if many else "bilinear",
        },
        {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 150, "b_min": 0, "b_max": 1},
        {"_target_": "EnsureTyped", "keys": keys},
    ]


def zoo_train() -> Config:
    """The structure of the spleen bundle: nested ids, validation that saves the best weights, a fixed seed."""
    metric = "$monai.handlers.from_engine(['pred', 'label'])"
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": "/workspace/somewhere/else",
        "ckpt_dir": "$@bundle_root + '/models'",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/workspace/data/Task",
        "images": "$list(sorted(glob.glob(@dataset_dir + '/imagesTr/*.nii.gz')))",
        "labels": "$list(sorted(glob.glob(@dataset_dir + '/labelsTr/*.nii.gz')))",
        "val_interval": 1,
        "device": DEVICE,
        "network_def": network(),
        "network": "$@network_def.to(@device)",
        "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True, "batch": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.01},
        "train": {
            "deterministic_transforms": loading(KEYS),
            "random_transforms": [
                {"_target_": "SpatialPadd", "keys": KEYS, "spatial_size": ROI},
                {
                    "_target_": "RandCropByPosNegLabeld",
                    "keys": KEYS,
                    "label_key": "label",
                    "spatial_size": ROI,
                    "num_samples": 2,
                },
            ],
            "preprocessing": {
                "_target_": "Compose",
                "transforms": "$@train#deterministic_transforms + @train#random_transforms",
            },
            "dataset": {
                "_target_": "CacheDataset",
                "data": "$[{'image': i, 'label': l} for i, l in zip(@images[:-9], @labels[:-9])]",
                "transform": "@train#preprocessing",
                "progress": False,
            },
            "dataloader": {
                "_target_": "DataLoader",
                "dataset": "@train#dataset",
                "batch_size": 2,
                "shuffle": True,
                "num_workers": 0,
            },
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                    {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": 3},
                ],
            },
            "handlers": [
                {
                    "_target_": "ValidationHandler",
                    "validator": "@validate#evaluator",
                    "epoch_level": True,
                    "interval": "@val_interval",
                },
                {
                    "_target_": "StatsHandler",
                    "tag_name": "train_loss",
                    "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
                },
                {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir", "tag_name": "train_loss"},
            ],
            "key_metric": {"train_accuracy": {"_target_": "ignite.metrics.Accuracy", "output_transform": metric}},
            "trainer": {
                "_target_": "SupervisedTrainer",
                "max_epochs": 300,
                "device": "@device",
                "train_data_loader": "@train#dataloader",
                "network": "@network",
                "loss_function": "@loss",
                "optimizer": "@optimizer",
                "inferer": "@train#inferer",
                "postprocessing": "@train#postprocessing",
                "key_train_metric": "@train#key_metric",
                "train_handlers": "@train#handlers",
                "amp": True,
            },
        },
        "validate": {
            "preprocessing": {"_target_": "Compose", "transforms": "%train#deterministic_transforms"},
            "dataset": {
                "_target_": "CacheDataset",
                "data": "$[{'image': i, 'label': l} for i, l in zip(@images[-9:], @labels[-9:])]",
                "transform": "@validate#preprocessing",
                "progress": False,
            },
            "dataloader": {"_target_": "DataLoader", "dataset": "@validate#dataset", "batch_size": 1},
            "inferer": {"_target_": "SlidingWindowInferer", "roi_size": ROI, "sw_batch_size": 4},
            "postprocessing": "%train#postprocessing",
            "handlers": [
                {"_target_": "StatsHandler", "iteration_log": False},
                {
                    "_target_": "CheckpointSaver",
                    "save_dir": "@ckpt_dir",
                    "save_dict": {"model": "@network"},
                    "save_key_metric": True,
                    "key_metric_filename": "model.pt",
                },
            ],
            "key_metric": {
                "val_mean_dice": {"_target_": "MeanDice", "include_background": False, "output_transform": metric}
            },
            "evaluator": {
                "_target_": "SupervisedEvaluator",
                "device": "@device",
                "val_data_loader": "@validate#dataloader",
                "network": "@network",
                "inferer": "@validate#inferer",
                "postprocessing": "@validate#postprocessing",
                "key_val_metric": "@validate#key_metric",
                "val_handlers": "@validate#handlers",
                "amp": True,
            },
        },
        "initialize": [
            "$monai.utils.set_determinism(seed=123)",
            "$setattr(torch.backends.cudnn, 'benchmark', True)",
        ],
        "run": ["$@train#trainer.run()"],
    }


def zoo_inference() -> Config:
    """The structure of the spleen bundle: softmax, Invertd, argmax, SaveImaged; a loader called in ``initialize``."""
    return {
        "imports": ["$import glob", "$import numpy"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "output_dtype": "$numpy.float32",
        "dataset_dir": "/workspace/data/Task",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": DEVICE,
        "network_def": network(),
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": loading("image")},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': i} for i in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": ROI, "sw_batch_size": 4},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                    "to_tensor": True,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_dtype": "@output_dtype",
                    "output_postfix": "trans",
                    "separate_folder": True,
                },
            ],
        },
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": True,
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "initialize": ["$monai.utils.set_determinism(seed=123)", "$@checkpointloader(@evaluator)"],
        "run": ["$@evaluator.run()"],
    }


SCRIPT = '''
import torch
from monai.networks.nets import UNet


class Net(UNet):
    WHO = "{who}"

    def __init__(self, classes):
        super().__init__(spatial_dims=3, in_channels=1, out_channels=classes, channels=(4, 8), strides=(2,))


class Pick:
    """Keeps what later steps read, and nothing else."""

    def __init__(self, keys):
        self.keys = keys

    def __call__(self, data):
        return {{key: data[key] for key in self.keys}}
'''


def own_train() -> Config:
    """Another way: flat ids in YAML, epochs under a name of their own, code in ``scripts``, a loader among handlers."""
    return {
        "imports": ["$import scripts.net", "$import os"],
        "bundle_root": ".",
        "classes": 3,
        "both": KEYS,
        "num_epochs": 50,
        "device": DEVICE,
        "dataset_dir": "/data/mine",
        "cases": "$monai.data.load_decathlon_datalist(@dataset_dir + '/dataset.json')",
        "net": {"_target_": "scripts.net.Net", "classes": "@classes"},
        "transforms": {
            "_target_": "Compose",
            "transforms": [
                *loading("@both"),
                {"_target_": "ResizeWithPadOrCropd", "keys": "@both", "spatial_size": [16, 16, 16]},
                {"_target_": "scripts.net.Pick", "keys": "@both"},
            ],
        },
        "train_dataset": {
            "_target_": "PersistentDataset",
            "data": "@cases",
            "transform": "@transforms",
            "cache_dir": "$@bundle_root + '/cache'",
        },
        "train_dataloader": {"_target_": "DataLoader", "dataset": "@train_dataset", "batch_size": 2, "shuffle": True},
        "lossfn": {"_target_": "DiceLoss", "to_onehot_y": True, "softmax": True},
        "optimizer": {"_target_": "torch.optim.SGD", "params": "$@net.parameters()", "lr": 0.01},
        "schedule": {
            "_target_": "torch.optim.lr_scheduler.CosineAnnealingLR",
            "optimizer": "@optimizer",
            "T_max": "@num_epochs",
        },
        "handlers": [
            {"_target_": "LrScheduleHandler", "lr_scheduler": "@schedule", "print_lr": False},
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@net"},
            },
            {
                "_target_": "CheckpointSaver",
                "save_dir": "$@bundle_root + '/models'",
                "save_dict": {"model": "@net", "optimizer": "@optimizer"},
                "save_interval": 1,
                "save_final": True,
            },
        ],
        "teach": {
            "_target_": "monai.engines.SupervisedTrainer",
            "max_epochs": "@num_epochs",
            "device": "@device",
            "train_data_loader": "@train_dataloader",
            "network": "@net",
            "loss_function": "@lossfn",
            "optimizer": "@optimizer",
            "train_handlers": "$@handlers",
        },
        "training": ["$monai.utils.set_determinism(seed=1)", "$@teach.run()"],
    }


def own_inference() -> Config:
    """Another way: no Invertd, one-hot labels, a loader among handlers, items that lose the id of their case."""
    return {
        "imports": ["$import scripts.net"],
        "bundle_root": ".",
        "classes": 3,
        "out": "./predictions",
        "device": DEVICE,
        "files": [],
        "net": {"_target_": "scripts.net.Net", "classes": "@classes"},
        "before": {
            "_target_": "Compose",
            "transforms": [
                *loading("image"),
                {"_target_": "DivisiblePadd", "keys": "image", "k": 16},
                {"_target_": "scripts.net.Pick", "keys": ["image"]},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@files", "transform": "@before"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": True},
        "after": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True, "to_onehot": "@classes"},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@out", "output_ext": ".nrrd"},
            ],
        },
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@net"},
                "map_location": "@device",
            }
        ],
        "predictor": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "$@net.to(@device)",
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": "@after",
            "val_handlers": "@handlers",
        },
        "evaluating": ["$@predictor.run()"],
    }


def slices_train() -> Config:
    """A 2D bundle whose transforms take arrays: it needs a mapping."""
    return {
        "bundle_root": ".",
        "device": DEVICE,
        "dataset_dir": "/data",
        "npz": {"_target_": "NPZDictItemDataset", "npzfile": "$@dataset_dir + '/all.npz'", "keys": {"images": "image"}},
        "im_shape": "$@npz[0]['image'].shape",
        "network_def": network() | {"spatial_dims": 2},
        "network": "$@network_def.to(@device)",
        "train_transforms": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "ScaleIntensityd", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": KEYS, "channel_dim": "no_channel"},
                {"_target_": "ResizeWithPadOrCropd", "keys": KEYS, "spatial_size": "@im_shape"},
            ],
        },
        "train_dataset": {"_target_": "Dataset", "data": "@npz", "transform": "@train_transforms"},
        "train_dataloader": {"_target_": "DataLoader", "dataset": "@train_dataset", "batch_size": 32, "shuffle": True},
        "lossfn": {"_target_": "DiceLoss", "to_onehot_y": True, "softmax": True},
        "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.01},
        "handlers": [
            {
                "_target_": "CheckpointSaver",
                "save_dir": "$@bundle_root + '/models'",
                "save_dict": {},
                "save_final": True,
            }
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": 50,
            "device": "@device",
            "train_data_loader": "@train_dataloader",
            "network": "@network",
            "loss_function": "@lossfn",
            "optimizer": "@optimizer",
            "train_handlers": "@handlers",
        },
        "training": ["$@trainer.run()"],
    }


def slices_inference() -> Config:
    """A 2D network on the slices of a volume as it is stored."""
    config = zoo_inference()
    config["preprocessing"]["transforms"] = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
        {"_target_": "ScaleIntensityd", "keys": "image"},
        {"_target_": "DivisiblePadd", "keys": "image", "k": 4},
    ]
    config["network_def"]["spatial_dims"] = 2
    config["inferer"] = {"_target_": "SliceInferer", "roi_size": [24, 28], "spatial_dim": 2}
    return config


def write_slices(root: Path) -> Path:
    """The 2D bundle, with the mapping that it needs among its configurations."""
    (root / "configs").mkdir(parents=True)
    mapping = {"train": {"items": "slices", "slice_axis": 2, "set": {"im_shape": [24, 28]}}}
    contents = {"train": slices_train(), "inference": slices_inference(), "atso_mapping": mapping}
    for name, content in contents.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def write_zoo(root: Path) -> Path:
    """The bundle like the zoo's: JSON, with weights of another training in ``models``."""
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"weights of other people" * 100_000)
    for name, content in (("train", zoo_train()), ("inference", zoo_inference()), ("metadata", {"version": "0.1.0"})):
        (root / "configs" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def write_own(root: Path, who: str = "own") -> Path:
    """The bundle of its own ways: YAML, code, no metadata."""
    for folder in ("configs", "scripts"):
        (root / folder).mkdir(parents=True)
    for name, content in (("train", own_train()), ("inference", own_inference())):
        (root / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (root / "scripts" / "__init__.py").write_text("")
    (root / "scripts" / "net.py").write_text(SCRIPT.format(who=who))
    return root


@pytest.fixture
def zoo_bundle(tmp_path: Path) -> Path:
    return write_zoo(tmp_path / "zoo #1 50%")


@pytest.fixture
def slices_bundle(tmp_path: Path) -> Path:
    return write_slices(tmp_path / "slices")


@pytest.fixture
def own_bundle(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own ways")


@pytest.fixture
def contents() -> Callable[[Path], dict[str, str]]:
    """Every file below a folder with the hash of what it holds."""

    def of(root: Path) -> dict[str, str]:
        return {str(p.relative_to(root)): hash_file(p) for p in sorted(root.rglob("*")) if p.is_file()}

    return of
