"""The mapping file: which id of a bundle plays which part, where that cannot be found from its configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from atso_monai.errors import ConfigError, nearest

FILES = ("atso_mapping.yaml", "atso_mapping.yml", "atso_mapping.json")
IN_METADATA = "atso_mapping"


@dataclass(frozen=True)
class TrainIds:
    """Parts of a training configuration. None: found by itself.

    Attributes:
        config: name of the file in ``configs/``, or of several: a later one adds to and overrides those before it.
        trainer: id of the trainer.
        data: id of the list of cases that the training dataset reads.
        network: id of the network that the trainer trains.
        max_epochs: id of the number of epochs.
        device: id of the device.
        image_key: key of the image in an item of the list.
        label_key: key of the label in an item of the list.
        items: ``files``, paths to volumes for a loading transform; or ``slices``, 2D arrays of one axis of each volume.
        slice_axis: axis that ``slices`` are taken along: 0, 1 or 2 of a volume turned to ``slice_axcodes``.
        slice_axcodes: orientation of the volume that is cut, as that of ``Orientationd`` in inference; None: as stored.
        out_channels: channels that the network gives, where its configuration does not tell.
        num_classes: ids that are set to the number of classes, background included.
        validation_cases: how many labelled cases are held out of every training for the bundle's own validation; then
            the weights of its best validation are kept. With 0 there is no validation, and the last weights are kept.
        validation_data: id of the list of cases that validation reads.
        pretrained: weights that a training from scratch starts from, as a path in the bundle.
        set: further ids and the values to give them.
    """

    config: str | tuple[str, ...] | None = None
    trainer: str | None = None
    data: str | None = None
    network: str | None = None
    max_epochs: str | None = None
    device: str | None = None
    image_key: str | None = None
    label_key: str | None = None
    items: str = "files"
    slice_axis: int = 2
    slice_axcodes: str | None = "RAS"
    out_channels: int | None = None
    num_classes: tuple[str, ...] = ()
    validation_cases: int = 0
    validation_data: str | None = None
    pretrained: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceIds:
    """Parts of an inference configuration. None: found by itself.

    Attributes:
        config: name of the file in ``configs/``, or of several: a later one adds to and overrides those before it.
        evaluator: id of the evaluator.
        data: id of the list of cases that the dataset reads.
        network: id of the network that the evaluator runs.
        device: id of the device.
        image_key: key of the image in an item of the list.
        prediction_key: key of the finished prediction after postprocessing.
        out_channels: channels that the network gives, where its configuration does not tell.
        num_classes: ids that are set to the number of classes, background included.
        set: further ids and the values to give them.
    """

    config: str | tuple[str, ...] | None = None
    evaluator: str | None = None
    data: str | None = None
    network: str | None = None
    device: str | None = None
    image_key: str | None = None
    prediction_key: str | None = None
    out_channels: int | None = None
    num_classes: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BundleMapping:
    """A mapping file's content."""

    train: TrainIds = field(default_factory=TrainIds)
    inference: InferenceIds = field(default_factory=InferenceIds)


def read_mapping(root: Path, given: str | Path | None = None) -> BundleMapping:
    """The mapping of a bundle: ``given``, or ``configs/atso_mapping.yaml`` (``.json``), or the entry ``atso_mapping``
    of its ``metadata.json``, or one in which everything is found by itself.

    Raises:
        ConfigError: for a file that cannot be read, or an unknown entry.
    """
    if given is not None:
        return _parse(_load(Path(given)), str(given))
    for name in FILES:
        if (file := root / "configs" / name).is_file():
            return _parse(_load(file), str(file))
    metadata = root / "configs" / "metadata.json"
    content = _load(metadata) if metadata.is_file() else {}
    entry = content.get(IN_METADATA) if isinstance(content, Mapping) else None
    return _parse(entry, f"{IN_METADATA} in {metadata}") if entry is not None else BundleMapping()


def _load(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"The mapping {file} cannot be read: {error}") from None


def _parse(content: Any, source: str) -> BundleMapping:
    known = {"train": TrainIds, "inference": InferenceIds}
    if not isinstance(content, Mapping) or not all(isinstance(v or {}, Mapping) for v in content.values()):
        raise ConfigError(f"{source} must have the entries train and inference, each with 'part: id' lines.")
    for key in content:
        if key not in known:
            raise ConfigError(f"{source} has the entries train and inference. Received: {key!r}.{nearest(key, known)}")
    values = {name: _ids(cls, content.get(name) or {}, f"{source}, {name}") for name, cls in known.items()}
    return BundleMapping(**values)


def _ids(cls: Any, content: Mapping[str, Any], source: str) -> Any:
    names = [f.name for f in fields(cls)]
    for key in content:
        if key not in names:
            raise ConfigError(f"{source} has no entry {key!r}. It takes {', '.join(names)}.{nearest(key, names)}")
    values = dict(content)
    if "num_classes" in values:
        ids = values["num_classes"]
        values["num_classes"] = (ids,) if isinstance(ids, str) else tuple(ids or ())
    if isinstance(values.get("config"), list):
        values["config"] = tuple(values["config"])
    if values.get("items", "files") not in ("files", "slices"):
        raise ConfigError(f"{source}: items must be files or slices. Received: {values['items']!r}.")
    for name, least in (("validation_cases", 0), ("slice_axis", 0)):
        if not isinstance(values.get(name, 0), int) or values.get(name, 0) < least:
            raise ConfigError(f"{source}: {name} must be a whole number of at least {least}.")
    return cls(**values)
