"""How many channels a network takes and gives, read from its configuration without making it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atso_monai.adapter.tree import Config, follow, get, has, ids_of, parts, target_name

_OUT = ("out_channels", "num_classes", "n_classes")
_CLASSES = (*_OUT, "to_onehot", "output_classes", "output_channels", "classes")


def output_channels(config: Config, network: str) -> int | None:
    """Output channels of a network as its configuration declares them; None where that cannot be read."""
    return _declared(config, network, _OUT)


def input_channels(config: Config, network: str) -> int | None:
    """Input channels of a network as its configuration declares them; None where that cannot be read."""
    return _declared(config, network, ("in_channels", "input_channels", "n_channels"))


def class_ids(config: Config, count: int) -> list[str]:
    """Ids that probably hold the number of classes: named like it, and with this value."""
    found = []
    for name in ids_of(config):
        named = [level for level in parts(name) if not level.isdigit()][-1:]
        if named and named[0] in _CLASSES and (last := follow(config, name)[-1]) and get(config, last) == count:
            found.append(last)
    return list(dict.fromkeys(found))


def network_definition(config: Config, network: str) -> str | None:
    """Id of the component that makes a network: through references, ``.to(device)``, and our loading of weights."""
    if not has(config, network):
        return None
    name = follow(config, network)[-1]
    value = get(config, name)
    if isinstance(value, dict):
        inner = f"{name}::network"
        return network_definition(config, inner) if target_name(value) == "load_weights" else name
    if isinstance(value, str) and value.startswith("$@"):
        first = value[2:].split(".")[0].strip()
        return network_definition(config, "::".join(parts(first))) if has(config, first) else None
    return None


def _declared(config: Config, network: str, names: Sequence[str]) -> int | None:
    definition = network_definition(config, network)
    for name in names if definition else ():
        here = f"{definition}::{name}"
        value: Any = get(config, follow(config, here)[-1]) if has(config, here) else None
        if isinstance(value, int):
            return value
    return None
