"""The number type that networks compute in."""

from __future__ import annotations

import torch

from atso_monai.errors import one_of

PRECISIONS = ("float32", "bfloat16", "float16")


def check_precision(precision: str) -> None:
    """Raise ConfigError for a name that is none of :data:`PRECISIONS`."""
    one_of("precision", precision, PRECISIONS)


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """A context in which networks compute in ``precision``; float32 switches an outer autocast off.

    Open it around many calls: the converted weights are kept until it ends.
    """
    reduced = precision != "float32"
    return torch.autocast(device.type, getattr(torch, precision) if reduced else None, enabled=reduced)
