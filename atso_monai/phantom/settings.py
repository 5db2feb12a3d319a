"""The settings of a folder of phantoms, kept beside the files, so that no folder ever holds two kinds of cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atso_monai.errors import CohortError
from atso_monai.files import read_json, write_json
from atso_monai.phantom.acquisition import Scanner

FILE = "phantom.json"
GENERATOR = 1  # raised with every change that makes other voxels from the same seed


def written_settings(*, scanner: Scanner, **others: object) -> dict[str, Any]:
    """All that decides the voxels and names of a case, as plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps({"generator": GENERATOR, "scanner": asdict(scanner), **others}))
    return plain


def claim_folder(folder: Path, settings: Mapping[str, object]) -> None:
    """Record ``settings`` in ``folder``, or check that they are the recorded ones.

    Raises:
        CohortError: where the folder's settings are others, unreadable, or missing beside existing files.
    """
    path = folder / FILE
    if path.exists():
        _compare(path, settings)
        return
    strangers = sorted(p for part in ("images", "labels") for p in (folder / part).glob("*"))
    if strangers:
        raise CohortError(
            f"Cannot write phantoms into {folder}: it holds other files and no {FILE}. Received: {strangers[0]} and "
            f"{len(strangers) - 1} more. Name an empty or new folder."
        )
    write_json(path, settings)


def _compare(path: Path, settings: Mapping[str, object]) -> None:
    try:
        recorded = _flat(read_json(path))
    except (ValueError, AttributeError) as error:
        raise CohortError(f"Cannot read {path}: {error}. Delete its folder, or name another one.") from error
    asked = _flat(settings)
    changed = sorted(key for key in recorded.keys() | asked.keys() if recorded.get(key) != asked.get(key))
    if changed:
        rows = "".join(f"  {key}: was {recorded.get(key)!r}, now {asked.get(key)!r}\n" for key in changed)
        raise CohortError(
            f"Cannot add phantoms to {path.parent}: its cases have other settings.\n{rows}"
            "Put the old values back to go on, or name another folder."
        )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inner = _flat(value) if isinstance(value, Mapping) else None
        flat.update({f"{key}.{k}": v for k, v in inner.items()} if inner is not None else {key: value})
    return flat
