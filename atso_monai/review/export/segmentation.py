"""A case's labels as one 3D Slicer segmentation (``.seg.nrrd``): final label, fold models, and where these disagree.

File format: Slicer's developer guide, "Segmentations" (slicer.readthedocs.io, developer_guide/modules/segmentations).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicerio

from atso_monai.files import atomic_path
from atso_monai.review.export.labels import RAS_TO_LPS, Affine, Label
from atso_monai.review.export.terms import TISSUE, Colour, term

FINAL = "final"
DISAGREEMENT = "disagreement"
MAGENTA: Colour = (230, 0, 200)

_STRUCTURE = ("SCT", "123037004", "Anatomical Structure")
_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_ANATOMY = "Anatomic codes - DICOM master list"


@dataclass(frozen=True)
class Layer:
    """One label map of a segmentation.

    Attributes:
        key: begins the segments' ids: ``final``, ``f1``, ``f2``, ...
        remark: added to the segments' names, e.g. ``model f1, not trained on this case``; empty for the final label.
        label: class indices, (X, Y, Z).
    """

    key: str
    remark: str
    label: Label


def segment_ids(classes: Mapping[int, str], keys: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the segments of each layer: ``final_1``, ``f1_1``, ...; several fold models have ``disagreement``."""
    found = {key: [f"{key}_{index}" for index in classes] for key in (FINAL, *keys)}
    return found | ({DISAGREEMENT: [DISAGREEMENT]} if len(keys) > 1 else {})


def build_segmentation(final: Label, models: Sequence[Layer], classes: Mapping[int, str], affine: Affine) -> Any:
    """The segmentation as :func:`slicerio.write_segmentation` takes it.

    The final label, each fold model and the disagreement are a layer each, since their segments overlap. In a layer, a
    segment's value is its class index. A class without voxels is there as an empty segment.

    Args:
        final: the delivered label, class indices (X, Y, Z).
        models: the fold models' labels, on the same grid.
        classes: name of each class index, without the background.
        affine: 4x4, voxel to RAS mm; the file says the same in LPS.
    """
    layers = [Layer(FINAL, "", final), *models]
    maps = [layer.label for layer in layers]
    segments = [s for n, layer in enumerate(layers) for s in _segments(n, layer, classes)]
    if len(models) > 1:
        maps.append(disagreement([layer.label for layer in models]))
        segments.append(_segment(DISAGREEMENT, "models disagree", len(maps) - 1, 1, MAGENTA, _terminology(None)))
    extent = [
        bound for size in final.shape for bound in (0, size - 1)
    ]  # older Slicers crop a layer to its first extent
    return {
        "voxels": maps[0] if len(maps) == 1 else np.stack(maps),
        "ijkToLPS": RAS_TO_LPS @ affine,
        "containedRepresentationNames": ["Binary labelmap", "Closed surface"],
        "segments": [{**segment, "extent": extent} for segment in segments],
    }


def disagreement(labels: Sequence[Label]) -> Label:
    """1 where not all labels have the same class, else 0."""
    differs = np.zeros(labels[0].shape, dtype=np.uint8)
    for label in labels[1:]:
        differs |= label != labels[0]
    return differs


def write_segmentation(segmentation: Any, path: Path) -> None:
    """Write a ``.seg.nrrd`` file in one step: the same bytes for the same content, names in UTF-8 as Slicer has them.

    pynrrd knows ASCII alone and writes the time into the header; so names go in afterwards, and the time goes.
    """
    names = [segment["name"] for segment in segmentation["segments"]]
    plain = [{**segment, "name": f"{n}"} for n, segment in enumerate(segmentation["segments"])]
    buffer = io.BytesIO()
    slicerio.write_segmentation(buffer, {**segmentation, "segments": plain})
    head = _header(buffer)
    lines = [line for line in head.split(b"\n") if not line.startswith(b"# on ")]
    named = {f"Segment{n}_Name:={n}".encode(): f"Segment{n}_Name:={name}".encode() for n, name in enumerate(names)}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(b"\n".join(named.get(line, line) for line in lines))
        file.write(buffer.getbuffer()[len(head) :])


def _header(buffer: io.BytesIO) -> bytes:
    """All up to the empty line that ends an NRRD header."""
    buffer.seek(0)
    lines = iter(buffer.readline, b"\n")
    return b"".join(lines)[:-1]


def _segments(number: int, layer: Layer, classes: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for index, name in classes.items():
        colour = _shade(term(name, index).colour, number)
        title = _one_line(f"{name} ({layer.remark})" if layer.remark else name)
        yield _segment(f"{layer.key}_{index}", title, number, index, colour, _terminology(name))


def _segment(
    name_id: str, name: str, layer: int, value: int, colour: Colour, terminology: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": name_id,
        "name": name,
        "nameAutoGenerated": False,
        "color": [round(part / 255, 6) for part in colour],
        "colorAutoGenerated": False,
        "layer": layer,
        "labelValue": value,
        "terminology": terminology,
    }


def _terminology(name: str | None) -> dict[str, Any]:
    found = term(name) if name is not None else None
    if found is None or not found.known:
        return {"contextName": _CONTEXT, "category": TISSUE, "type": TISSUE, "anatomicContextName": _ANATOMY}
    entry: dict[str, Any] = {"contextName": _CONTEXT, "category": _STRUCTURE, "type": found.type}
    return entry | ({"typeModifier": found.side} if found.side else {}) | {"anatomicContextName": _ANATOMY}


def _shade(colour: Colour, number: int) -> Colour:
    """The colour itself for the final label, lighter and darker ones in turn for the models."""
    if number == 0:
        return colour
    goal, share = (255 if number % 2 else 0), 0.45 if number <= 2 else 0.65
    red, green, blue = (round(part + (goal - part) * share) for part in colour)
    return red, green, blue


def _one_line(text: str) -> str:
    return " ".join(text.split())
