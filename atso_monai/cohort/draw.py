"""Drawing cases by seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def drawn_order(ids: Iterable[str], seed: int, purpose: str) -> list[str]:
    """``ids`` in the order that ``seed`` draws them in for ``purpose``; the order they come in does not matter.

    Each id is placed by the sha256 of ``"<seed>/<purpose>/<id>"``: the same on every machine and with every version of
    every library, which no random number generator promises. The first 4 of a draw are the first 4 of the first 12.
    """
    return sorted(ids, key=lambda name: hashlib.sha256(f"{seed}/{purpose}/{name}".encode()).digest())
