"""Finds the parts of a bundle's configurations that the engine has to set, and says which cannot be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from atso_monai.adapter.mapping import InferenceIds, TrainIds
from atso_monai.adapter.tree import Config, components, follow, get, has, target_name, undefined
from atso_monai.errors import ConfigError

Ids = TypeVar("Ids", TrainIds, InferenceIds)

LOADERS = ("LoadImaged", "LoadImageD", "LoadImageDict")
SAVERS = ("SaveImaged", "SaveImageD", "SaveImageDict")
WHAT = {
    "trainer": "the component that trains; found as train#trainer, trainer, or the only class named ...Trainer",
    "evaluator": "the component that predicts; found as evaluator, or the only class named ...Evaluator",
    "data": "the list of cases that the dataset reads; found as the data of the dataset of the engine's data loader",
    "network": "the network; found as the network of the engine",
    "max_epochs": "the number of epochs; found as the max_epochs of the trainer",
    "device": "the device; found as the device of the engine",
    "validation_data": "the list of cases of validation; found as the data of the evaluator's dataset",
}


class Missing:
    """Collects what cannot be found, to tell it all at once.

    Args:
        source: what the configuration is called in errors.
        section: ``train`` or ``inference``, as in the mapping file.
    """

    def __init__(self, source: str, section: str) -> None:
        self.source, self.section, self.names = source, section, list[str]()

    def add(self, name: str) -> None:
        """Note that a part was not found."""
        self.names.append(name)

    def refuse(self) -> None:
        """Raise ConfigError where anything is missing."""
        if not self.names:
            return
        rows = "".join(f"  {name}: {WHAT[name]}\n" for name in self.names)
        lines = "".join(f"    {name}: ID\n" for name in self.names)
        raise ConfigError(
            f"{self.source} cannot be mapped; nothing was found for\n{rows}Name their ids (such as "
            f"train::dataset::data) in configs/atso_mapping.yaml of the bundle, or in a file given as --mapping FILE:\n"
            f"    {self.section}:\n{lines}See docs/any_bundle.md."
        )


def find_train(config: Config, ids: TrainIds, source: str) -> TrainIds:
    """The mapping with every part of a training configuration filled in.

    Raises:
        ConfigError: names all parts that were not found, or an id of the mapping that is not there.
    """
    _require_given(config, ids, source, "train")
    keys = loaded_keys(config)
    if len(keys) == 1 and not ids.label_key:
        raise ConfigError(
            f"{source} loads one file of each case, {keys[0]!r}, and no label image: it is no segmentation bundle (but "
            "one for detection, classification or generation). Where another transform loads the label image, name "
            "image_key and label_key in a mapping file (docs/any_bundle.md)."
        )
    missing = Missing(source, "train")
    trainer = ids.trainer or _engine(config, ("train::trainer", "trainer"), "Trainer", missing, "trainer")
    found: dict[str, Any] = {"trainer": trainer}
    if trainer:
        found["data"] = ids.data or _data_of(config, f"{trainer}::train_data_loader", missing, "data")
        found |= _engine_parts(config, ids, trainer, ("network", "max_epochs", "device"), missing)
    wanted = missing if ids.validation_cases else Missing(source, "train")
    found["validation_data"] = ids.validation_data or _validation_data(config, wanted)
    missing.refuse()
    if len(keys) > 2 and not (ids.image_key and ids.label_key):
        raise ConfigError(
            f"{source} reads several files of each case ({', '.join(keys)}), but a case of a cohort has one image and "
            "one label. Take a bundle that reads one of each; where the others are made on the way, name image_key and "
            "label_key in a mapping file (docs/any_bundle.md)."
        )
    image = ids.image_key or next((k for k in keys if k == "image"), keys[0] if keys else "image")
    others = [k for k in keys if k != image]
    label = ids.label_key or next((k for k in others if k == "label"), others[0] if others else "label")
    return replace(ids, **found, image_key=image, label_key=label)


def find_inference(config: Config, ids: InferenceIds, source: str) -> InferenceIds:
    """The mapping with every part of an inference configuration filled in; errors as :func:`find_train`."""
    _require_given(config, ids, source, "inference")
    missing = Missing(source, "inference")
    evaluator = ids.evaluator or _engine(config, ("evaluator",), "Evaluator", missing, "evaluator")
    found: dict[str, Any] = {"evaluator": evaluator}
    if evaluator:
        found["data"] = ids.data or _data_of(config, f"{evaluator}::val_data_loader", missing, "data")
        found |= _engine_parts(config, ids, evaluator, ("network", "device"), missing)
    missing.refuse()
    keys = loaded_keys(config)
    image = ids.image_key or next((k for k in keys if k == "image"), keys[0] if keys else "image")
    saved = [key for _, node in components(config) if target_name(node) in SAVERS for key in key_names(config, node)]
    made = [key for key in saved if key not in keys]  # some save the image beside the prediction
    prediction = "pred" if "pred" in made or not made else made[-1]
    return replace(ids, **found, image_key=image, prediction_key=ids.prediction_key or prediction)


def _require_given(config: Config, ids: Ids, source: str, section: str) -> None:
    named = {f.name: getattr(ids, f.name) for f in fields(ids) if f.name in WHAT}
    several = {f"num_classes ({name})": name for name in ids.num_classes}
    expected = set(undefined(config, config))  # the bundle leaves them to its command line
    for part, name in {**named, **several, **{key: key for key in ids.set if key not in expected}}.items():
        if name is not None and not has(config, name):
            raise ConfigError(f"The mapping's {section} entry {part} names {name!r}, but {source} has no such id.")


def _engine(config: Config, usual: Sequence[str], ending: str, missing: Missing, part: str) -> str | None:
    for name in usual:
        if has(config, name):
            return name
    named = [name for name, node in components(config) if target_name(node).endswith(ending)]
    if len(named) == 1:
        return named[0]
    missing.add(part)
    return None


def _engine_parts(
    config: Config, ids: Ids, engine: str, names: Sequence[str], missing: Missing
) -> dict[str, str | None]:
    engine = follow(config, engine)[-1]
    found: dict[str, str | None] = {}
    for name in names:
        here = f"{engine}::{name}"
        found[name] = getattr(ids, name) or (here if has(config, here) else None)
        if found[name] is None:
            missing.add(name)
    return found


def _data_of(config: Config, loader: str, missing: Missing, part: str) -> str | None:
    """The id ``data`` of the dataset of a data loader."""
    engine, _, key = loader.rpartition("::")
    loader = f"{follow(config, engine)[-1]}::{key}" if has(config, engine) else loader
    for key in ("dataset", "data"):
        if not has(config, loader):
            break
        loader = f"{follow(config, loader)[-1]}::{key}"
    if has(config, loader):
        return loader
    missing.add(part)
    return None


def _validation_data(config: Config, missing: Missing) -> str | None:
    for name, node in components(config):
        if target_name(node) == "ValidationHandler":
            return _data_of(
                config, f"{follow(config, f'{name}::validator')[-1]}::val_data_loader", missing, "validation_data"
            )
    missing.add("validation_data")
    return None


def loaded_keys(config: Config) -> list[str]:
    """Keys that the loading transforms of a configuration read, in order."""
    found = [key for _, node in components(config) if target_name(node) in LOADERS for key in key_names(config, node)]
    return list(dict.fromkeys(found))


def key_names(config: Config, node: Config) -> list[str]:
    """The ``keys`` of a transform as far as they can be told without running code."""
    return _names(config, node.get("keys"))


def _names(config: Config, value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for inner in value for name in _names(config, inner)]
    if not isinstance(value, str):
        return []
    if value.startswith("@"):
        last = follow({**config, "_": value}, "_")[-1]
        return [] if last == "_" else _names(config, get(config, last))
    if value.startswith("$"):
        constant = value.rpartition("CommonKeys.")[2]
        return [constant.lower()] if constant != value and constant.isidentifier() else []
    return [value]
