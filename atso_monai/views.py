"""Names of the three views of a RAS volume."""

from __future__ import annotations

from atso_monai.errors import ConfigError, nearest

VIEWS = ("sagittal", "coronal", "axial")
"""View names in the order of the array axes that they slice."""

WHOLE = "whole"
"""In the place of a view: the one network of a bundle that knows no views."""


WHOLE = "whole"
"""In the place of a view: the one network of a bundle that knows no views."""


def view_axis(view: str | int) -> int:
    """Array axis of a view, given by name or number: ``"axial"`` and 2 give 2.

    Raises:
        ConfigError: for any other name or number.
    """
    if isinstance(view, str) and view in VIEWS:
        return VIEWS.index(view)
    if isinstance(view, int) and not isinstance(view, bool) and view in (0, 1, 2):
        return view
    raise ConfigError(
        f"view must be one of {', '.join(VIEWS)}, or 0, 1, 2. Received: {view!r}.{nearest(str(view), VIEWS)}"
    )
