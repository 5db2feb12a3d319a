"""Any bundle's configuration, rewired so that the engine sets it as it sets those of its own bundles.

A section ``atso`` is added that holds what the engine sets; the bundle's own ids refer to it. Nothing else changes but
what the engine does itself: weights in and out, files of predictions, seeds, and validation.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atso_monai.adapter.checks import refuse_overlapping_classes
from atso_monai.adapter.find import SAVERS, find_inference, find_train
from atso_monai.adapter.mapping import BundleMapping, InferenceIds, TrainIds
from atso_monai.adapter.rewiring import CURVES, SCRATCH, SECTION, WEIGHTS, Rewiring
from atso_monai.adapter.tree import Config, components, follow, get, put, target_name
from atso_monai.adapter.working_copy import FOLDER
from atso_monai.errors import ConfigError
from atso_monai.files import hash_file
from atso_monai.views import WHOLE

OWN_IDS = {
    "train": ("datalist", "output_dir", "cache_dir", "checkpoint_in", "seed", "view", "max_epochs", "num_classes"),
    "predict": ("datalist", "output_dir", "cache_dir", "checkpoints", "num_classes"),
}
"""Ids by which a configuration is known as one written for the engine, which needs no rewiring."""


@dataclass(frozen=True)
class Adapted:
    """A rewired configuration, and what a person should know of it."""

    config: Config
    notes: tuple[str, ...] = ()


def written_for_the_engine(config: Mapping[str, Any], kind: str) -> bool:
    """Whether a configuration has the engine's ids itself, or was rewired before."""
    return SECTION in config or all(name in config for name in OWN_IDS[kind])


def adapt(config: Config, kind: str, mapping: BundleMapping, root: Path, source: str) -> Adapted:
    """Rewire a configuration; the one that comes in stays as it is.

    Args:
        config: unresolved, macros resolved.
        kind: ``train`` or ``predict``.
        mapping: of the bundle.
        root: the bundle's folder.
        source: what the configuration is called in errors.

    Raises:
        ConfigError: names all parts that cannot be found.
    """
    config = copy.deepcopy(config)
    if kind == "train":
        return _Train(config, find_train(config, mapping.train, source), root, source).adapt()
    return _Inference(config, find_inference(config, mapping.inference, source), root, source).adapt()


class _Train(Rewiring):
    def __init__(self, config: Config, ids: TrainIds, root: Path, source: str) -> None:
        super().__init__(config, ids, ids.trainer or "", root, source)
        self.ids = ids

    def adapt(self) -> Adapted:
        """Rewire a training configuration."""
        ids, config, section = self.ids, self.config, self.section
        section |= {"run_seed": 0, "view": WHOLE, "checkpoint_in": None, "snapshot_epoch": 1}
        section["validation_cases"] = ids.validation_cases
        section["max_epochs"] = self.wire(ids.max_epochs or "", "max_epochs")
        section["out_channels"] = ids.out_channels
        refuse_overlapping_classes(config, ids.network or "", self.source, ids.out_channels)
        self._data()
        if self.silence(*CURVES):
            self.notes.append("its TensorBoard handlers stand still: losses are in each step's log.txt")
        if self.silence(*WEIGHTS):
            self.notes.append("its own checkpoint handlers stand still: the engine brings weights in and out")
        self._start()
        self.folders()
        section["train"] = {"trainer": f"@{self.engine}"}
        section["label_key"] = ids.label_key
        follower = {
            "_target_": "atso_monai.adapter.follow_training",
            "trainer": f"@{self.engine}",
            "network": f"@{SECTION}::network",
            "output_dir": f"@{SECTION}::output_dir",
            "checkpoint_in": f"@{SECTION}::start",
            "snapshot_epoch": f"@{SECTION}::snapshot_epoch",
            "validator": self._validation(),
        }
        return Adapted(self.finish(follower), tuple(self.notes))

    def _data(self) -> None:
        ids = self.ids
        cases: Config = {"_target_": "atso_monai.adapter.cases", "datalist": f"@{SECTION}::datalist"}
        cases |= {"cache_dir": SCRATCH, "image_key": ids.image_key, "label_key": ids.label_key}
        if ids.items == "slices":
            cases |= {"slice_axis": ids.slice_axis, "slice_axcodes": ids.slice_axcodes}
        held_out = ids.validation_cases
        shared = follow(self.config, ids.data or "")[-1]  # schedules may count the cases there
        if ids.validation_data:  # first, in place: both lists may refer to one id, which is then that of training
            put(self.config, ids.validation_data, {**cases, "held_out": held_out, "validation": True})
        put(self.config, shared, {**cases, "held_out": held_out} if held_out else cases)

    def _start(self) -> None:
        start = f"{FOLDER}/{self.ids.pretrained}" if self.ids.pretrained else None
        if self.ids.pretrained:
            self.section["pretrained_content"] = self._content(self.root / self.ids.pretrained)
        self.section["pretrained"] = start
        self.section["start"] = f"$@{SECTION}::checkpoint_in or @{SECTION}::pretrained"
        self.weights_in(self.ids.network or "", f"@{SECTION}::start")

    def _content(self, file: Path) -> str:
        if not file.is_file():
            raise ConfigError(f"The mapping's train entry pretrained names {file}, but there is no such file.")
        return hash_file(file)

    def _validation(self) -> Any:
        """The evaluator that validates, where cases are held out for it; else none."""
        handlers = [name for name, node in components(self.config) if target_name(node) == "ValidationHandler"]
        if self.ids.validation_cases and handlers:
            self.notes.append(
                f"validates on {self.ids.validation_cases} labelled cases held out of every training, and keeps the "
                "weights of the best validation"
            )
            self._validate_at_the_end(get(self.config, handlers[0]))
            return get(self.config, f"{handlers[0]}::validator")
        if self.silence("ValidationHandler"):
            self.notes.append(
                "validation is off (it would take labelled cases from training) and the last weights are kept; "
                "validation_cases in a mapping turns it on"
            )
        return None

    def _validate_at_the_end(self, handler: Config) -> None:
        """Validate at least once in a training of fewer epochs than lie between two validations."""
        interval = handler.get("interval")
        if handler.get("epoch_level", True) and interval is not None:
            now = interval.removeprefix("$") if isinstance(interval, str) else interval
            handler["interval"] = f"$min({now}, @{SECTION}::max_epochs)"


class _Inference(Rewiring):
    def __init__(self, config: Config, ids: InferenceIds, root: Path, source: str) -> None:
        super().__init__(config, ids, ids.evaluator or "", root, source)
        self.ids = ids

    def adapt(self) -> Adapted:
        """Rewire an inference configuration."""
        ids, config, section = self.ids, self.config, self.section
        refuse_overlapping_classes(config, ids.network or "", self.source, ids.out_channels)
        section["checkpoints"] = {WHOLE: None}
        section["out_channels"] = ids.out_channels
        cases = {"_target_": "atso_monai.adapter.cases", "datalist": f"@{SECTION}::datalist"}
        put(config, follow(config, ids.data or "")[-1], {**cases, "image_key": ids.image_key})
        self.silence(*WEIGHTS, *CURVES, *SAVERS, "SegmentationSaver")
        self.weights_in(ids.network or "", f"@{SECTION}::checkpoints::{WHOLE}")
        self.folders()
        self._invert_labels()
        section["evaluator"] = f"@{self.engine}"
        follower = {
            "_target_": "atso_monai.adapter.collect_labels",
            "evaluator": f"@{self.engine}",
            "network": f"@{SECTION}::network",
            "checkpoint": f"@{SECTION}::checkpoints::{WHOLE}",
            "datalist": f"@{SECTION}::datalist",
            "output_dir": f"@{SECTION}::output_dir",
            "num_classes": f"@{SECTION}::num_classes",
            "image_key": ids.image_key,
            "prediction_key": ids.prediction_key,
        }
        return Adapted(self.finish(follower), tuple(self.notes))

    def _invert_labels(self) -> None:
        """Bring labels, as opposed to probabilities, back to the scan's grid by nearest neighbour."""
        discrete = False
        for _, node in components(self.config):
            name = target_name(node)
            discrete = discrete or (name in ("AsDiscreted", "AsDiscreteD", "AsDiscreteDict") and _to_labels(node))
            if discrete and name in ("Invertd", "InvertD", "InvertDict") and node.get("nearest_interp") is not True:
                node["nearest_interp"] = True
                self.notes.append(
                    "labels are inverted by nearest neighbour, where the bundle would blend class numbers"
                )


def _to_labels(node: Config) -> bool:
    return bool(node.get("argmax") or node.get("threshold"))
