"""Unresolved bundle configurations as trees: ids, references between them, components."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Config = dict[str, Any]

REFERENCE = re.compile(r"@([A-Za-z_]\w*(?:(?:::|#)\w+)*)")
_ALONE = re.compile(r"\$?@([A-Za-z_]\w*(?:(?:::|#)\w+)*)")


def parts(name: str) -> list[str]:
    """``train#dataset::data`` as its levels."""
    return name.replace("#", "::").split("::")


def has(config: Any, name: str) -> bool:
    """Whether an id is there."""
    try:
        get(config, name)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    return True


def get(config: Any, name: str) -> Any:
    """The unresolved value of an id.

    Raises:
        LookupError, TypeError, ValueError: when there is none.
    """
    for level in parts(name):
        config = config[level] if isinstance(config, dict) else config[int(level)]
    return config


def put(config: Any, name: str, value: Any) -> None:
    """Set the value of an id in place; all levels but the last must be there."""
    *above, last = parts(name)
    parent = get(config, "::".join(above)) if above else config
    parent[last if isinstance(parent, dict) else int(last)] = value


def follow(config: Config, name: str) -> list[str]:
    """The ids that a value goes through: ``name``, then what it refers to, until a value that is no mere reference."""
    chain = [name]
    while isinstance(value := get(config, chain[-1]), str) and (found := _ALONE.fullmatch(value)):
        target = "::".join(parts(found[1]))
        if target in chain or not has(config, target):
            break
        chain.append(target)
    return chain


def components(config: Any, prefix: str = "") -> Iterator[tuple[str, Config]]:
    """Every component (a mapping with ``_target_``) with its id, outer ones first."""
    if isinstance(config, dict) and "_target_" in config:
        yield prefix, config
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        yield from components(value, f"{prefix}::{key}" if prefix else str(key))


def target_name(component: Config) -> str:
    """``SupervisedTrainer`` of a component ``monai.engines.SupervisedTrainer``."""
    return str(component.get("_target_", "")).rpartition(".")[2]


def strings(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def replaced(value: Any, old: str, new: str) -> Any:
    """A value with every text that equals ``old`` as ``new``."""
    if isinstance(value, dict):
        return {key: replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, old, new) for inner in value]
    return new if value == old else value


def ids_of(config: Any, prefix: str = "") -> Iterator[str]:
    """All ids of a configuration, levels separated by ``::``."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        yield f"{prefix}{key}"
        yield from ids_of(value, f"{prefix}{key}::")


def references(value: Any) -> Iterator[str]:
    """All ids that a value refers to."""
    for text in strings(value):
        if text.startswith(("@", "$")):
            yield from ("::".join(parts(match[1])) for match in REFERENCE.finditer(text))


def reached(config: Config, starts: Iterable[str]) -> dict[str, str]:
    """The ids that evaluating ``starts`` resolves, each with the id that asked for it first."""
    asked: dict[str, str] = {name: "" for name in starts if has(config, name)}
    queue = list(asked)
    while queue:
        name = queue.pop(0)
        for inner in references(get(config, name)):
            if inner not in asked and has(config, inner):
                asked[inner] = name
                queue.append(inner)
    return asked


def undefined(config: Config, asked: Iterable[str]) -> dict[str, str]:
    """The ids that are referred to and are not there, each with the id of ``asked`` that refers to it."""
    return {inner: name for name in asked for inner in references(get(config, name)) if not has(config, inner)}
