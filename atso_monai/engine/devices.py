"""Devices that steps share: each is lent to one step at a time, and a training of several ranks takes several."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from atso_monai.errors import ConfigError


def wanted(arguments: Sequence[Any]) -> int:
    """How many devices a call takes: as many as the order among its arguments has ranks."""
    return max((getattr(one, "ranks", 1) for one in arguments), default=1)


def joined(names: Sequence[str]) -> str | None:
    """Names of devices as steps are told them; None where there are none, which leaves the choice to the bundle."""
    return ",".join(names) or None


class Lender:
    """Lends devices, and takes note of those that are out; threads may ask at the same time."""

    def __init__(self) -> None:
        self._out: Counter[str] = Counter()
        self._given_back = threading.Condition()

    @contextmanager
    def lend(self, names: Sequence[str], count: int) -> Iterator[str | None]:
        """Wait for ``count`` of some devices, the first ones that are in, all at once; see :func:`joined`.

        Args:
            names: the devices to choose from, at least ``count``, or none at all.
            count: how many.
        """
        with self._given_back:
            self._given_back.wait_for(lambda: not names or len(self._there(names)) >= count)
            taken = self._there(names)[:count]
            self._out.update(taken)
        try:
            yield joined(taken)
        finally:
            with self._given_back:
                self._out.subtract(taken)
                self._given_back.notify_all()

    def _there(self, names: Sequence[str]) -> list[str]:
        return list((Counter(names) - self._out).elements())


def require_enough(names: Sequence[str], ranks: int) -> None:
    """Refuse devices on which a training of several ranks could not run.

    Raises:
        ConfigError: when they are too few, one GPU twice, or a CPU beside GPUs.
    """
    if not names or ranks == 1:
        return
    if len(names) < ranks:
        raise ConfigError(
            f"ranks: {ranks} takes {ranks} devices for each training, but devices has {len(names)}: "
            f"{', '.join(names)}. Take ranks: {len(names)}, or name more devices."
        )
    gpus = [name for name in names if name != "cpu"]
    if len(set(gpus)) != len(gpus) or 0 < len(gpus) < len(names):
        raise ConfigError(
            f"ranks: {ranks} takes devices of one kind, and each GPU once. Received: devices {', '.join(names)}."
        )
