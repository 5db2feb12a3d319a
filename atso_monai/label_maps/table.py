"""A label map as a JSON file: values with their names, and the class that each becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atso_monai.errors import ConfigError, nearest

IGNORE = 255
"""Class index of pixels that count neither in losses nor in metrics."""


@dataclass(frozen=True)
class LabelTable:
    """A label map with its names.

    Attributes:
        source: where the table comes from.
        classes: names of the classes, by class index.
        values: name of each value.
        mapping: class index of each value; :data:`IGNORE` for values that have no class.
    """

    source: str
    classes: tuple[str, ...]
    values: dict[int, str]
    mapping: dict[int, int]

    @property
    def labels(self) -> dict[int, str]:
        """Name of each class index, as cohorts take it."""
        return dict(enumerate(self.classes))

    @property
    def groups(self) -> list[int]:
        """For a table of classes 0, 1, 2, ...: the class that each becomes, as a list.

        Raises:
            ConfigError: when the values are others, or one has no class.
        """
        groups = [self.mapping.get(value, IGNORE) for value in range(len(self.mapping))]
        if IGNORE in groups:
            raise ConfigError(f"Only a table of all values 0, 1, 2, ... groups classes. Received: {self.mapping}.")
        return groups


def table_names() -> list[str]:
    """The tables that come with the package."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.json"))


def load_table(name: str | Path) -> LabelTable:
    """A table that comes with the package, by name, or one of your own, by the path of its JSON file.

    The file: ``{"source": text, "classes": [name, ...], "values": [{"value": 7, "name": "road", "class": "road"},
    ...]}``; a class of ``null`` means that the value is ignored.

    Raises:
        ConfigError: when there is no such table, or it is of another form.
    """
    own = Path(name)
    file = own if own.suffix == ".json" else Path(__file__).parent / f"{name}.json"
    if not file.is_file():
        known = table_names()
        raise ConfigError(
            f"There is no label map {str(name)!r}.{nearest(str(name), known)} Take one of {', '.join(known)}, or the "
            "path of a JSON file of the same form."
        )
    try:
        return _table(json.loads(file.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file} is no label map: {type(error).__name__} {error}. See load_table.") from None


def _table(content: dict[str, Any]) -> LabelTable:
    classes = tuple(str(name) for name in content["classes"])
    rows = {int(row["value"]): row for row in content["values"]}
    if len(set(classes)) != len(classes) or len(rows) != len(content["values"]) or not classes:
        raise ValueError("classes and values must be named once each")
    mapping = {v: IGNORE if row["class"] is None else classes.index(row["class"]) for v, row in rows.items()}
    return LabelTable(str(content["source"]), classes, {v: str(row["name"]) for v, row in rows.items()}, mapping)
