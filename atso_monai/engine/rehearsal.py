"""A bundle that was not written for the engine is set up once before work starts: all but its training."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from atso_monai.adapter import SECTION
from atso_monai.adapter.checks import input_channels, output_channels
from atso_monai.bundle import set_ids, set_up
from atso_monai.engine.case_lists import items_of
from atso_monai.engine.orders import DATALIST, Draft, bundle_config
from atso_monai.engine.plan import GIVEN, LABELLED
from atso_monai.engine.step_folder import write
from atso_monai.engine.worker import Order, quiet
from atso_monai.engine.workplace import Workplace
from atso_monai.errors import AtsoError, ConfigError, cause_of

Shapes = dict[str, tuple[int, ...]]


def rehearse(place: Workplace) -> None:
    """Make trainer, evaluator, networks and datasets of one case, on the CPU and in a folder that goes afterwards.

    Raises:
        ConfigError: when a part cannot be made, the two networks differ, or they do not fit the cohort.
    """
    shapes = {}
    for kind in ("train", "predict"):
        config = bundle_config(place, kind)
        _require_channels(place, kind, config)
        shapes[kind] = _set_up(place, kind, config)
    if shapes["train"] != shapes["predict"]:
        raise ConfigError(
            f"Training ({place.bundle.name}) and prediction ({place.bundle_of('predict').name}) have different "
            f"networks: the weights of one do not fit the other. {_difference(shapes['train'], shapes['predict'])}\n"
            "Give both the same network_def, e.g. with --overrides '{train: {...}, inference: {...}}'."
        )


def _require_channels(place: Workplace, kind: str, config: dict[str, Any]) -> None:
    name, classes, network = place.bundle_of(kind).name, len(place.cohort.labels), config[SECTION]["network"][1:]
    given, taken = output_channels(config, network), input_channels(config, network)
    if given is not None and given != classes and not (given == 1 and classes == 2):
        raise ConfigError(
            f"The network of {name} ({kind}) gives {given} channels, but the cohort has {classes} classes "
            f"({', '.join(place.cohort.labels.values())}). Name the ids that depend on the number of classes as "
            "num_classes in a mapping file (e.g. num_classes: [network_def::out_channels]), or map the labels."
        )
    if taken not in (None, 1) and kind == "predict":
        raise ConfigError(
            f"The network of {name} takes {taken} channels, but the scans of this cohort have one. Take a bundle for "
            "images of one channel."
        )


def _set_up(place: Workplace, kind: str, config: dict[str, Any]) -> Shapes:
    """Shapes of the weights of the network that a configuration makes."""
    with tempfile.TemporaryDirectory(prefix="atso-") as folder:
        set_ids(config, {"device": "$torch.device('cpu')", "datalist": DATALIST, "cache_dir": "cache"}, "rehearsal")
        order = Order(f"rehearsal/{kind}", kind, folder, "", (), place.threads)
        items = items_of(place, [(LABELLED, GIVEN if kind == "train" else "")])
        held_out = config[SECTION].get("validation_cases", 0)
        write(place, Draft(order, config, items[: 1 + held_out]))
        try:
            with quiet(Path(folder) / "log.txt"):
                network = set_up(Path(folder), kind)
        except AtsoError:
            raise
        except Exception as error:
            if (ours := cause_of(error)) is not None:
                raise ConfigError(f"{place.bundle_of(kind).name} ({kind}) cannot be set up: {ours}") from None
            raise ConfigError(_cannot(place, kind, error)) from error
        return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _cannot(place: Workplace, kind: str, error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return (
        f"The bundle {place.bundle_of(kind).name} ({kind}) cannot be set up on one case of the cohort: "
        f"{type(error).__name__}: {error}\nWhere an id of it is at fault, set it with --overrides, or with set: in a "
        "mapping file (docs/any_bundle.md)."
    )


def _difference(one: Shapes, other: Shapes) -> str:
    for name in (*one, *other):
        if one.get(name) != other.get(name):
            return f"First difference: {name} is {one.get(name)} and {other.get(name)}."
    return ""
