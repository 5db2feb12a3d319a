"""A bundle that was not written for the engine is set up once before work starts: all but its training."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import torch

from atso_monai.adapter import SECTION
from atso_monai.adapter.channels import class_ids, input_channels, output_channels
from atso_monai.adapter.find import loaded_keys
from atso_monai.adapter.labels import refuse_changed_labels
from atso_monai.adapter.training import refuse_known_weights
from atso_monai.bundle import metadata, set_ids
from atso_monai.bundle_run import set_up
from atso_monai.engine.case_lists import items_of
from atso_monai.engine.configuration import CONFIG_NAMES
from atso_monai.engine.orders import DATALIST, Draft, bundle_config
from atso_monai.engine.plan import GIVEN, LABELLED
from atso_monai.engine.step_folder import write
from atso_monai.engine.worker import Order, quiet
from atso_monai.engine.workplace import Workplace
from atso_monai.errors import AtsoError, ConfigError, cause_of
from atso_monai.prepare.labels import class_of_value
from atso_monai.volume_file import inspect_volume

Shapes = dict[str, tuple[int, ...]]

NOTHING_LOADED = (
    "It has no LoadImaged: where it takes arrays of slices instead of files, say items: slices in a mapping file.\n"
)


def rehearse(place: Workplace) -> None:
    """Make trainer, evaluator, networks and datasets of one case, on the CPU and in a folder that goes afterwards.

    Raises:
        ConfigError: when a part cannot be made, the two networks differ, they do not fit the cohort, or are not new.
    """
    configs = {kind: bundle_config(place, kind) for kind in ("train", "predict")}
    for kind, config in configs.items():
        _require_channels(place, kind, config)
    networks = {kind: _set_up(place, kind, config) for kind, config in configs.items()}
    shapes = {kind: _shapes(network) for kind, network in networks.items()}
    if shapes["train"] != shapes["predict"]:
        raise ConfigError(
            f"Training ({place.bundle.name}) and prediction ({place.bundle_of('predict').name}) have different "
            f"networks: the weights of one do not fit the other. {_difference(shapes['train'], shapes['predict'])}\n"
            "Give both the same network_def, e.g. with --overrides '{train: {...}, inference: {...}}'."
        )
    if configs["train"][SECTION]["pretrained"] is None:
        set_ids(configs["train"], {"seed": 1}, "rehearsal")
        refuse_known_weights(networks["train"], _set_up(place, "train", configs["train"]), place.bundle.name)


def _shapes(network: torch.nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _require_channels(place: Workplace, kind: str, config: dict[str, Any]) -> None:
    name, classes, network = place.bundle_of(kind).name, place.cohort.labels.values(), config[SECTION]["network"][1:]
    given, taken = output_channels(config, network), input_channels(config, network)
    given = given or config[SECTION]["out_channels"]
    if given is not None and given != len(classes) and not (given == 1 and len(classes) == 2):
        ids = ", ".join(json.dumps(found) for found in class_ids(config, given))
        raise ConfigError(
            f"The network of {name} ({kind}) gives {given} channels, but the cohort has {len(classes)} classes "
            f"({', '.join(classes)}). Map the labels, or name the ids that depend on the number of classes in a "
            f"mapping file (--mapping FILE), probably these:\n    {CONFIG_NAMES[kind]}:\n      num_classes: [{ids}]\n"
            "See docs/any_bundle.md."
        )
    if taken not in (None, 1):
        raise ConfigError(
            f"The network of {name} ({kind}) takes {taken} channels (several images of a case, or colour pictures), "
            "but the scans of this cohort have one. Take a bundle for images of one channel."
        )


def _set_up(place: Workplace, kind: str, config: dict[str, Any]) -> torch.nn.Module:
    """The network that a configuration makes."""
    with tempfile.TemporaryDirectory(prefix="atso-") as folder:
        set_ids(config, {"device": "$torch.device('cpu')", "datalist": DATALIST, "cache_dir": "cache"}, "rehearsal")
        order = Order(f"rehearsal/{kind}", kind, folder, "", (), place.threads)
        items = items_of(place, [(LABELLED, GIVEN if kind == "train" else "")])
        held_out = config[SECTION].get("validation_cases", 0)
        write(place, Draft(order, config, items[: 1 + held_out]))
        try:
            with quiet(Path(folder) / "log.txt"):
                network, item = set_up(Path(folder), kind)
            if kind == "train":
                _require_labels(place, config, item, items[: 1 + held_out])
        except AtsoError:
            raise
        except Exception as error:
            if (ours := cause_of(error)) is not None:
                raise ConfigError(f"{place.bundle_of(kind).name} ({kind}) cannot be set up: {ours}") from None
            hint = _other_version(place.bundle_of(kind)) + ("" if loaded_keys(config) else NOTHING_LOADED)
            raise ConfigError(_cannot(place, kind, error, hint)) from error
        return network


def _require_labels(place: Workplace, config: Mapping[str, Any], item: Any, cases: Sequence[Mapping[str, Any]]) -> None:
    classes: set[int] = set()
    for case in cases:
        classes |= set(class_of_value(inspect_volume(case["label"]).values, case.get("label_map")).values())
    source = f"{place.bundle.name} (case {cases[-1]['id']})"
    refuse_changed_labels(item, config[SECTION]["label_key"], classes, source)


def _cannot(place: Workplace, kind: str, error: BaseException, hint: str) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (
        f"The bundle {place.bundle_of(kind).name} ({kind}) cannot be set up on one case of the cohort: "
        f"{type(error).__name__}: {error}\n{hint}Where an id of it is at fault, set it with --overrides, or with set: "
        "in a mapping file (docs/any_bundle.md)."
    )


def _other_version(root: Path) -> str:
    """A sentence where a bundle was written for another version of MONAI, which may be why it cannot be set up."""
    written_for = metadata(root).get("monai_version")
    if written_for in (None, monai.__version__):
        return ""
    return f"It was written for MONAI {written_for}, and this is {monai.__version__}, where names may have changed.\n"


def _difference(one: Shapes, other: Shapes) -> str:
    for name in (*one, *other):
        if one.get(name) != other.get(name):
            return f"First difference: {name} is {one.get(name)} and {other.get(name)}."
    return ""
