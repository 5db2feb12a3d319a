"""What a bundle may not do under the engine, refused before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from atso_monai.adapter.channels import output_channels
from atso_monai.adapter.tree import Config, components, follow, get, strings, target_name, undefined
from atso_monai.errors import ConfigError

DATA_SOURCES = ("dataset_dir", "data_file_base_dir", "data_list_file_path", "data_list_file", "dataset_file")
LISTING = ("glob(", "listdir(", "scandir(", "iterdir(", "read_csv(", "load_decathlon_datalist(", "datafold_read(")
"""Calls by which bundles list their own cases."""
OWN_DATA = (
    "DecathlonDataset", "MedNISTDataset", "TciaDataset", "CrossValidation", "CSVDataset", "NPZDictItemDataset"
)  # fmt: skip
"""Classes of MONAI that bring cases of their own."""
LOADING = ("load_state_dict(", "copy_model_state(", "torch.jit.load(", "bundle.load(", "load_from_mmar(")
LOADERS = ("torch.jit.load", "monai.bundle.load", "monai.apps.load_from_mmar", "load_from_mmar")
"""Components that make a network with weights."""
_CASES = "atso_monai.adapter.cases"


def refuse_foreign_data(config: Config, asked: Mapping[str, str], kept: Sequence[str], source: str, part: str) -> None:
    """Refuse a configuration that still reads the bundle's own data set when it runs: cases could leak from there.

    Args:
        config: rewired.
        asked: the ids that it resolves when it runs, each with the id that asks for it.
        kept: ids that the mapping sets on purpose.
        source: what the configuration is called in errors.
        part: ``train`` or ``inference``, as in a mapping file.

    Raises:
        ConfigError: names the way by which the data set is reached.
    """
    for name in asked:
        if name in kept or not (name in DATA_SOURCES or _lists_cases(config, name)):
            continue
        way = [name]
        while asked[way[-1]]:
            way.append(asked[way[-1]])
        shown = " <- ".join(way[:-1])
        first = way[1] if name in DATA_SOURCES and len(way) > 2 else name
        raise ConfigError(
            f"{source} reads the bundle's own data set while it runs: {shown}. The engine has set the list of "
            "cases, but not this. Give one of these ids a value of its own in a mapping file (--mapping FILE):\n"
            f"    {part}:\n"
            f"      set: {{'{first}': VALUE}}\nSee docs/any_bundle.md."
        )


def _lists_cases(config: Config, name: str) -> bool:
    """Whether the value of an id lists files of its own, or is a dataset that was not given the engine's cases."""
    value = get(config, name)
    if any(call in text for text in strings(value) if text.startswith("$") for call in LISTING):
        return True
    nodes = [node for _, node in components(value)]
    datasets = (node for node in nodes if target_name(node).endswith("Dataset") and "data" in node)
    return any(target_name(node) in OWN_DATA for node in nodes) or any(
        not _is_ours(config, node["data"]) for node in datasets
    )


def _is_ours(config: Config, data: object) -> bool:
    """Whether the cases of a dataset are the engine's, or an expression, whose references are looked at themselves."""
    whole = {**config, "_": data}
    found = get(whole, follow(whole, "_")[-1])
    return not found or isinstance(found, str) or (isinstance(found, dict) and found.get("_target_") == _CASES)


def refuse_undefined(config: Config, asked: Iterable[str], source: str, part: str) -> None:
    """Refuse a configuration that refers to ids which it does not have.

    Raises:
        ConfigError: names them all, and where they may stand.
    """
    missing = undefined(config, asked)
    if missing:
        rows = "".join(f"  @{name}, in {user or 'it'}\n" for name, user in missing.items())
        raise ConfigError(
            f"{source} refers to what it does not have:\n{rows}Where it stands in a further file of configs/, name "
            "all of them in a mapping file (--mapping FILE); a value that the bundle expects on its command line is "
            f"set there too:\n    {part}:\n      config: [{source.rpartition('/')[2]}, FILE]\n"
            f"      set: {{{next(iter(missing))}: VALUE}}\nSee docs/any_bundle.md."
        )


def refuse_own_weights(config: Config, asked: Iterable[str], source: str, part: str) -> None:
    """Refuse a configuration that fills a network by itself: its weights may have seen the test cases.

    Raises:
        ConfigError: names the id that does.
    """
    for name in asked:
        own = get(config, name)
        filled = any(call in text for text in strings(own) for call in LOADING)
        made = any(node["_target_"] in LOADERS for _, node in components(own))
        if name not in ("initialize", "run") and (filled or made):
            raise ConfigError(
                f"{source} loads weights of its own, at {name}; the engine brings weights in and out. Leave the "
                f"loading out in a mapping file (--mapping FILE):\n    {part}:\n      set: {{'{name}': VALUE}}\n"
                "Weights to start from are named there as pretrained: see docs/any_bundle.md."
            )


def refuse_overlapping_classes(config: Config, network: str, source: str, channels: int | None = None) -> None:
    """Refuse a network whose output channels are classes that overlap (a sigmoid each).

    Args:
        config: of the bundle.
        network: id of the network.
        source: what the configuration is called in errors.
        channels: how many the network gives, where its configuration does not tell.

    Raises:
        ConfigError: where a sigmoid is taken of more than one channel, or of nobody knows how many.
    """
    count = output_channels(config, network) or channels
    found = [name for name, node in components(config) if node.get("sigmoid") is True and target_name(node) != "Inert"]
    if count == 1 or not found:
        return
    if count is None:
        raise ConfigError(
            f"{source} takes a sigmoid (at {found[0]}) of a network whose number of channels cannot be read. With "
            "several channels its classes may overlap, or it answers prompts, and ATSO needs one class per voxel. "
            "Where it is one channel for one class, say so as out_channels: 1 in a mapping file (docs/any_bundle.md)."
        )
    raise ConfigError(
        f"{source} gives {count} classes that may overlap (a sigmoid for each channel, at {found[0]}). Labels of "
        "ATSO hold one class per voxel: take a bundle with softmax, or change loss and postprocessing."
    )
