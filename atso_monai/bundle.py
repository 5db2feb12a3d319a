"""Bundles as files: find them, read their configurations, set ids and read them back."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv
from monai.utils import set_determinism

from atso_monai.adapter import SECTION
from atso_monai.adapter.tree import ids_of
from atso_monai.errors import ConfigError, nearest

CONFIG = "config.yaml"
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")


def embedded_bundles() -> dict[str, Path]:
    """The bundles that come with the package, by name."""
    here = Path(__file__).parent
    folder = next((f for f in (here / "bundles", here.parent / "bundles") if f.is_dir()), None)
    found = sorted(folder.glob("*/configs/metadata.json")) if folder else []
    return {file.parents[1].name: file.parents[1] for file in found}


def find_bundle(name: str | Path) -> Path:
    """Root folder of a bundle, given as a folder or as the name of an embedded one.

    Raises:
        ConfigError: when it is neither.
    """
    folder, embedded = Path(name), embedded_bundles()
    if (folder / "configs").is_dir():
        return folder.resolve()
    if str(name) in embedded:
        return embedded[str(name)].resolve()
    hint = nearest(str(name), embedded)
    raise ConfigError(
        f"There is no bundle {str(name)!r}: no such folder with configs/ in it, and the embedded ones are "
        f"{', '.join(embedded) or 'none'}.{hint}"
    )


def config_files(root: Path, name: str, overlays: Sequence[str] = ()) -> list[Path]:
    """The file ``configs/<name>.yaml`` of a bundle and those of its overlays, in the order in which they are merged.

    An overlay ``o`` is the file ``configs/<name>_<o>.yaml``; one that has nothing to say on ``name`` may be absent.

    Raises:
        ConfigError: when the bundle has no such configuration or overlay.
    """
    files = [_config_file(root, name)]
    for overlay in overlays:
        if (file := root / "configs" / f"{name}_{overlay}.yaml").is_file():
            files.append(file)
        elif not list((root / "configs").glob(f"*_{overlay}.yaml")):
            names = sorted({f.stem.split("_", 1)[1] for f in (root / "configs").glob("*_*.yaml")})
            raise ConfigError(
                f"The bundle {root.name} has no overlay {overlay!r}. It has: {', '.join(names) or 'none'}."
                f"{nearest(overlay, names)}"
            )
    return files


def engine_id(config: Mapping[str, Any], name: str) -> str:
    """The id by which the engine sets a configuration: in the section that was added to it, or its own."""
    return f"{SECTION}::{name}" if SECTION in config else name


def set_ids(config: dict[str, Any], values: Mapping[str, Any], source: str) -> None:
    """:func:`override` for what the engine sets in every bundle, by the names of its own bundles."""
    override(config, {engine_id(config, name): value for name, value in values.items()}, source)


def plain_config(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """A configuration of the bundle ``root`` without macros (``%id``) and relative references (``@#id``).

    Raises:
        ConfigError: when one refers to what is not there.
    """
    parser = ConfigParser(copy.deepcopy(config))
    try:
        with in_folder(root):
            parser.resolve_macro_and_relative_ids()
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"A macro in the configurations of bundle {root} cannot be resolved: {error}") from None
    return {name: value for name, value in parser.get().items() if name != "_meta_"}


def metadata(root: Path) -> Any:
    """What a bundle says of itself; the least that MONAI takes where it says nothing."""
    file = root / "configs" / "metadata.json"
    return ConfigParser.load_config_files(str(file)) if file.is_file() else {"version": "unknown"}


def read_config(root: Path, name: str, overlays: Sequence[str] = (), further: Sequence[str] = ()) -> dict[str, Any]:
    """The merged configuration of a bundle and of its overlays, unresolved.

    Args:
        root: the bundle's folder.
        name: of the configuration, with or without suffix.
        overlays: names of overlays, which may not add ids.
        further: names of files in ``configs/`` that add to and override it, before the overlays.

    Raises:
        ConfigError: when it is missing, no YAML, or an overlay sets what the configuration does not have.
    """
    first, *others = config_files(root, name, overlays)
    base = [str(first), *(str(_config_file(root, more)) for more in further)]
    try:
        known = ConfigParser(ConfigParser.load_config_files(base))
        for file in others:
            _refuse_unknown(file, known)
        config: dict[str, Any] = ConfigParser.load_config_files([*base, *map(str, others)])
    except (yaml.YAMLError, ValueError) as error:
        files = ", ".join(Path(file).name for file in base)
        raise ConfigError(f"A configuration of bundle {root} is not valid YAML or JSON ({files}): {error}") from None
    return config


def lay_over(config: dict[str, Any], file: Path) -> None:
    """Lay a file over a configuration in place, as MONAI's command line does; unlike an overlay it may add ids.

    Raises:
        ConfigError: when it cannot be read, or does not fit.
    """
    parser = ConfigParser(config)
    try:
        for key, value in ConfigParser.load_config_file(str(file)).items():
            merge_kv(parser, key, value)
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be laid over the configuration of its bundle: {error}") from None


def _refuse_unknown(overlay: Path, known: ConfigParser) -> None:
    for key in ConfigParser.load_config_file(str(overlay)):
        parent = key.rpartition("::")[0]  # an overlay may add to what is there
        if key.lstrip("+") not in known and not (parent and parent in known):
            raise ConfigError(
                f"The overlay {overlay} sets {key!r}, which the configuration under it does not have."
                f"{nearest(key, ids_of(known.get()))}"
            )


def _config_file(root: Path, name: str) -> Path:
    if Path(name).suffix and (file := root / "configs" / name).is_file():
        return file
    for suffix in ("yaml", "yml", "json"):
        if (file := root / "configs" / f"{name}.{suffix}").is_file():
            return file
    there = ", ".join(sorted(file.name for file in (root / "configs").glob("*") if file.suffix in CONFIG_SUFFIXES))
    raise ConfigError(
        f"The bundle {root} has no configs/{name}.yaml or .json. It has: {there or 'none'}. Where one of these is "
        f"meant, name it in a mapping file (--mapping FILE): '{name}: {{config: FILE_NAME}}'."
    )


def override(config: dict[str, Any], values: Mapping[str, Any], source: str) -> None:
    """Set ids of a configuration in place and read each back.

    Args:
        config: an unresolved configuration.
        values: id (levels separated by ``::`` or ``#``) to value.
        source: what the configuration is called in an error.

    Raises:
        ConfigError: for an id that the configuration does not have (MONAI would take it without a word), or a value
            that cannot stand for the number or the switch that is there.
    """
    parser = ConfigParser(config)
    for key, value in values.items():
        if key not in parser:
            raise ConfigError(f"{source} has no id {key!r}.{nearest(key, ids_of(config))}")
        _refuse_other_kind(source, key, parser.get(key), value)
        parser[key] = value
        if parser.get(key) != value:
            raise ConfigError(f"{source} did not take the value {value!r} for the id {key!r}.")


def _refuse_other_kind(source: str, key: str, now: Any, value: Any) -> None:
    """Text never stands for a number or a switch, unless it is an expression (``$...``) or a reference (``@id``)."""
    text = isinstance(value, str) and value[:1] not in ("$", "@")
    if text and isinstance(now, (bool, int, float)):
        wanted = {bool: "true or false", int: "a whole number"}.get(type(now), "a number")
        raise ConfigError(f"{source}: {key} must be {wanted} (it is {now!r}). Received: {value!r}.")


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Work inside a folder; what MONAI leaves behind in the process is put back."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        set_determinism(None)
