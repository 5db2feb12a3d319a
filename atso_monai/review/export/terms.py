"""What a class name means in SNOMED CT, and its colour: for segments that other software understands."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Code = tuple[str, str, str]
"""Coding scheme, code value, meaning."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

TISSUE: Code = ("SCT", "85756007", "Tissue")
LEFT: Code = ("SCT", "7771000", "Left")
RIGHT: Code = ("SCT", "24028007", "Right")

# Okabe and Ito's colours, which colour-blind people tell apart (jfly.uni-koeln.de/color), for names without an entry
_OTHERS: tuple[Colour, ...] = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A class by its code.

    Attributes:
        type: the structure; tissue where the name is not known.
        side: left or right, where the name says so.
        colour: to draw it in.
        known: whether the name was found in the table.
    """

    type: Code
    side: Code | None
    colour: Colour
    known: bool


def term(name: str, index: int = 1) -> Term:
    """The term of a class name, e.g. ``pancreas``, ``kidney_left`` or ``Left Kidney``.

    Args:
        name: of the class, in any case, words parted by blanks, ``_`` or ``-``.
        index: of the class: chooses the colour of names that are not in the table.
    """
    words = name.lower().replace("_", " ").replace("-", " ").split()
    if found := _table().get(" ".join(words)):
        return Term(*found, known=True)
    side = {"left": LEFT, "right": RIGHT}.get(next((w for w in words if w in ("left", "right")), ""))
    bare = " ".join(w for w in words if w not in ("left", "right"))
    entry = _table().get(bare) or _table().get(bare.removesuffix("s"))
    if entry and sum(w in ("left", "right") for w in words) < 2:
        return Term(entry[0], side, entry[2], known=True)
    return Term(TISSUE, None, _OTHERS[(index - 1) % len(_OTHERS)], known=False)


@cache
def _table() -> dict[str, tuple[Code, None, Colour]]:
    text = files(__package__).joinpath("terms.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["name"]: (("SCT", row["code"], row["meaning"]), None, _colour(row)) for row in rows}


def _colour(row: dict[str, str]) -> Colour:
    return int(row["red"]), int(row["green"]), int(row["blue"])
