"""The ids that a person sets in a bundle's configurations, kept as they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from atso_monai.engine.scheme import mapped
from atso_monai.errors import ConfigError

ID = "overrides"
_PLAIN = (bool, int, float, str, Path, type(None))


def read_overrides(given: Any) -> dict[str, Any]:
    """Overrides as the engine was given them: a mapping, None, or text in YAML that holds one.

    Raises:
        ConfigError: when they are anything else, or hold what no configuration file can.
    """
    value = given
    if isinstance(given, str):
        try:
            value = yaml.safe_load(given)
        except yaml.YAMLError:
            value = given
    found = mapped(ID, value)
    for name, built in _not_plain(found):
        raise ConfigError(
            f"{ID} must be what a configuration file can hold. Received: {name} is an object of type "
            f"{type(built).__name__}: MONAI has built what has a _target_. Start by `atso run`, or write all of "
            f'{ID} as text within quotes, "{{train: {{...}}}}".'
        )
    return {name: _as_dicts(ids) for name, ids in found.items()}


def _not_plain(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_plain(inner, f"{name}::{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _not_plain(inner, f"{name}::{index}")
    elif not isinstance(value, _PLAIN):
        yield name, value


def _as_dicts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_dicts(inner) for key, inner in value.items()}
    return [_as_dicts(inner) for inner in value] if isinstance(value, (list, tuple)) else value
