"""Colours that tell the classes of a label apart, and their legend."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import dist

from markupsafe import Markup

from atso_monai.review.charts.marks import legend
from atso_monai.review.export.terms import term
from atso_monai.review.overlay import Colour

PALETTE: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115), (213, 94, 0), (204, 121, 167), (0, 114, 178),
    (255, 255, 255), (0, 230, 230), (170, 110, 255), (170, 255, 120), (255, 60, 120), (150, 120, 60), (120, 120, 255),
)  # fmt: skip
"""After Okabe and Ito, whose colours are told apart by people with any kind of colour vision; then others."""
APART = 60.0
"""Distance in RGB below which two colours cannot be told apart on a scan."""


def class_colours(classes: Mapping[int, str]) -> dict[int, Colour]:
    """The colours that exports give to the classes where these can be told apart, else a palette's.

    Args:
        classes: name of each class index, without the background.
    """
    found = {index: term(name, index).colour for index, name in classes.items()}
    if all(dist(a, b) >= APART for a, b in combinations(found.values(), 2)):
        return found
    return {index: PALETTE[k % len(PALETTE)] for k, index in enumerate(classes)}


def class_legend(classes: Mapping[int, str]) -> Markup:
    """The classes with their colours, as HTML; empty for one class."""
    if len(classes) < 2:
        return Markup("")
    colours = class_colours(classes)
    return legend([(name, "#{:02x}{:02x}{:02x}".format(*colours[index]), "square") for index, name in classes.items()])
