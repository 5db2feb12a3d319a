"""What a bundle may not do under the engine, refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atso_monai.adapter.tree import Config, components, follow, get, has, parts, reached, target_name
from atso_monai.errors import ConfigError

DATA_SOURCES = ("dataset_dir", "data_file_base_dir", "data_list_file_path", "data_list_file", "dataset_file")


def refuse_foreign_data(config: Config, kept: Sequence[str], source: str, part: str) -> None:
    """Refuse a configuration that still reads the bundle's own data set when it runs: cases could leak from there.

    Args:
        config: rewired.
        kept: ids that the mapping sets on purpose.
        source: what the configuration is called in errors.
        part: ``train`` or ``inference``, as in a mapping file.

    Raises:
        ConfigError: names the way by which the data set is reached.
    """
    asked = reached(config, ("initialize", "run"))
    for name in DATA_SOURCES:
        if name in asked and name not in kept:
            way = [name]
            while asked[way[-1]]:
                way.append(asked[way[-1]])
            shown = " <- ".join(way[:-1])
            first = way[1] if len(way) > 2 else name
            raise ConfigError(
                f"{source} reads the bundle's own data set while it runs: {shown}. The engine has set the list of "
                "cases, but not this. Give one of these ids a value of its own in a mapping file (--mapping FILE):\n"
                f"    {part}:\n"
                f"      set: {{'{first}': VALUE}}\nSee docs/any_bundle.md."
            )


def refuse_overlapping_classes(config: Config, network: str, source: str) -> None:
    """Refuse a network whose output channels are classes that overlap (a sigmoid each).

    Raises:
        ConfigError: where a sigmoid is taken of more than one channel.
    """
    count = output_channels(config, network)
    if count in (None, 1):
        return
    for name, node in components(config):
        if node.get("sigmoid") is True and target_name(node) != "Inert":
            raise ConfigError(
                f"{source} gives {count} classes that may overlap (a sigmoid for each channel, at {name}). Labels of "
                "ATSO hold one class per voxel: take a bundle with softmax, or change loss and postprocessing."
            )


def output_channels(config: Config, network: str) -> int | None:
    """Output channels of a network as its configuration declares them; None where that cannot be read."""
    return _declared(config, network, ("out_channels", "num_classes", "n_classes"))


def input_channels(config: Config, network: str) -> int | None:
    """Input channels of a network as its configuration declares them; None where that cannot be read."""
    return _declared(config, network, ("in_channels", "input_channels", "n_channels"))


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
