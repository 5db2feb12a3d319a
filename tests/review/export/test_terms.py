from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pydicom.sr.codedict import codes

import atso_monai.review.export.terms as module
from atso_monai.review.export.terms import LEFT, RIGHT, TISSUE, term


def rows() -> list[dict[str, str]]:
    text = (Path(module.__file__).parent / "terms.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def test_codes_are_those_of_the_dicom_standard() -> None:
    for row in rows():
        words = row["meaning"].title().replace(" ", "")
        code = next(getattr(codes.SCT, w) for w in (words, words.lower().capitalize()) if hasattr(codes.SCT, w))
        assert code.value == row["code"], row
        assert all(0 <= int(row[part]) <= 255 for part in ("red", "green", "blue"))
    assert (codes.SCT.Tissue.value, codes.SCT.Left.value, codes.SCT.Right.value) == (TISSUE[1], LEFT[1], RIGHT[1])


@pytest.mark.parametrize(
    ("name", "code", "side"),
    [
        ("pancreas", "15776009", None),
        ("Pancreas", "15776009", None),
        ("hippocampus", "5366008", None),
        ("kidney_left", "64033007", LEFT),
        ("Right Kidney", "64033007", RIGHT),
        ("kidneys", "64033007", None),
        ("left lung", "39607008", LEFT),
        ("left ventricle", "87878005", None),
        ("inferior_vena_cava", "64131007", None),
        ("adrenal-gland right", "23451007", RIGHT),
    ],
)
def test_known_names(name: str, code: str, side: tuple[str, str, str] | None) -> None:
    found = term(name)
    assert found.known
    assert (found.type[0], found.type[1], found.side) == ("SCT", code, side)


@pytest.mark.parametrize(
    "name", ["pancreas+tumour", "label 3", "", "left", "left right kidney", "pancreatic duct", "脑"]
)
def test_other_names_are_tissue(name: str) -> None:
    found = term(name)
    assert (found.known, found.type, found.side) == (False, TISSUE, None)


def test_unknown_neighbours_have_different_colours() -> None:
    colours = [term(f"label {index}", index).colour for index in range(1, 8)]
    assert len(set(colours)) == 7
    assert term("x", 255).colour in colours
