"""Several listeners of a run as one."""

from __future__ import annotations

from typing import Protocol

from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result
from atso_monai.engine.runner import Listener


class Closing(Listener, Protocol):
    """A listener that has something to bring to its end."""

    def close(self) -> None:
        """The walk has ended, one way or another."""


class Listeners:
    """Tells each of some listeners what happens, in their order."""

    def __init__(self, *listeners: Closing) -> None:
        self._all = listeners

    def kept(self, step: Step) -> None:
        """A step was done before."""
        for one in self._all:
            one.kept(step)

    def started(self, step: Step, reason: str, note: str = "") -> None:
        """A step was handed to the executor."""
        for one in self._all:
            one.started(step, reason, note)

    def finished(self, step: Step, result: Result) -> None:
        """A step is done."""
        for one in self._all:
            one.finished(step, result)

    def failed(self, step: Step, reason: str) -> None:
        """A step failed."""
        for one in self._all:
            one.failed(step, reason)

    def tick(self) -> None:
        """Called about twice a second while steps run."""
        for one in self._all:
            one.tick()

    def close(self) -> None:
        """The walk has ended."""
        for one in self._all:
            one.close()
