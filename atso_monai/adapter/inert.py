"""What stands in for the parts of a bundle that the engine does itself."""

from __future__ import annotations

from typing import Any


class Inert:
    """A handler or transform that does nothing: attached it watches nothing, called it returns what it was given.

    Args:
        stands_for: name of the class that it replaces, for readers of the configuration.
    """

    def __init__(self, stands_for: str) -> None:
        self.stands_for = stands_for

    def attach(self, engine: Any) -> None:
        """Register nothing."""

    def __call__(self, data: Any = None, *_: Any, **__: Any) -> Any:
        """Return ``data`` as it is."""
        return data
