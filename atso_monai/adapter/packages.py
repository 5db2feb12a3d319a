"""Python packages that a bundle asks for in its ``metadata.json``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from typing import Any

LISTS = ("required_packages_version", "optional_packages_version")
NOT_NEEDED = ("monai", "tensorboard", "tensorboardX")
"""There anyway, or only for handlers that stand still under the engine."""


def missing_packages(metadata: Mapping[str, Any]) -> list[str]:
    """Names of the packages that a bundle's metadata ask for, and that are not installed; of any version."""
    named = [name for part in LISTS if isinstance(metadata.get(part), Mapping) for name in metadata[part]]
    return [name for name in dict.fromkeys(named) if name not in NOT_NEEDED and not _installed(name)]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return name.isidentifier() and importlib.util.find_spec(name) is not None
    return True
