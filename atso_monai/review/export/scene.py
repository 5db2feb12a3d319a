"""Scene files of 3D Slicer (``.mrml``): images, segmentations, their display, and what the views show.

Node names and attributes: the ``ReadXMLAttributes`` of the ``vtkMRML...Node`` classes in Slicer's Libs/MRML/Core.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from atso_monai.files import atomic_path

FOUR_UP = "3"
"""Slicer's layout of three slice views and a 3D view (vtkMRMLLayoutNode::SlicerLayoutFourUpView)."""


@dataclass(frozen=True)
class Shown:
    """How a segment is drawn in slice views."""

    fill: bool
    outline: bool


@dataclass(frozen=True)
class SceneCase:
    """A case in a scene.

    Attributes:
        name: shown to people.
        image: file, relative to the scene's folder, with forward slashes.
        segmentation: file, likewise.
        window: values shown as black and as white.
        segments: how each segment is drawn, by id.
    """

    name: str
    image: str
    segmentation: str
    window: tuple[float, float]
    segments: Mapping[str, Shown]


def write_scene(cases: Sequence[SceneCase], path: Path) -> None:
    """Write a scene; the first case is shown, the segmentations of the others are hidden."""
    root = ET.Element("MRML", version="Slicer5", userTags="")
    for node in chain(_views(), *(_case(case, n) for n, case in enumerate(cases, start=1))):
        root.append(node)
    ET.indent(root, " ")
    with atomic_path(path) as temporary:
        ET.ElementTree(root).write(temporary, encoding="UTF-8", xml_declaration=True)


def _views() -> Iterable[ET.Element]:
    yield _node("Layout", "vtkMRMLLayoutNodevtkMRMLLayoutNode", "Layout", singletonTag="vtkMRMLLayoutNode",
                currentViewArrangement=FOUR_UP)  # fmt: skip
    for colour in ("Red", "Green", "Yellow"):
        yield _node("SliceComposite", f"vtkMRMLSliceCompositeNode{colour}", "SliceComposite", singletonTag=colour,
                    layoutName=colour, references="backgroundVolume:vtkMRMLScalarVolumeNode1;")  # fmt: skip


def _case(case: SceneCase, n: int) -> Iterable[ET.Element]:
    low, high = case.window
    yield _node("VolumeDisplay", f"vtkMRMLScalarVolumeDisplayNode{n}", "VolumeDisplay",
                window=f"{high - low:g}", level=f"{(high + low) / 2:g}", autoWindowLevel="0", interpolate="1",
                colorNodeID="vtkMRMLColorTableNodeGrey")  # fmt: skip
    yield _node("VolumeArchetypeStorage", f"vtkMRMLVolumeArchetypeStorageNode{n}", "VolumeArchetypeStorage",
                fileName=encode(case.image), centerImage="0", UseOrientationFromFile="1")  # fmt: skip
    yield _node("Volume", f"vtkMRMLScalarVolumeNode{n}", case.name,
                references=f"display:vtkMRMLScalarVolumeDisplayNode{n};"
                f"storage:vtkMRMLVolumeArchetypeStorageNode{n};")  # fmt: skip
    yield _node("SegmentationDisplay", f"vtkMRMLSegmentationDisplayNode{n}", "SegmentationDisplay",
                visibility="true" if n == 1 else "false", visibility2D="true", Visibility2DFill="true",
                Visibility2DOutline="true", SegmentationDisplayProperties=_properties(case.segments))  # fmt: skip
    yield _node("SegmentationStorage", f"vtkMRMLSegmentationStorageNode{n}", "SegmentationStorage",
                fileName=encode(case.segmentation))  # fmt: skip
    yield _node("Segmentation", f"vtkMRMLSegmentationNode{n}", f"{case.name} labels",
                references=f"display:vtkMRMLSegmentationDisplayNode{n};referenceImageGeometryRef:"
                f"vtkMRMLScalarVolumeNode{n};storage:vtkMRMLSegmentationStorageNode{n};")  # fmt: skip


def _node(tag: str, node_id: str, name: str, **attributes: str) -> ET.Element:
    return ET.Element(tag, {"id": node_id, "name": name, **attributes})


def _properties(segments: Mapping[str, Shown]) -> str:
    """Properties of each segment, as ``vtkMRMLSegmentationDisplayNode`` writes them; -1 keeps the segment's colour."""
    return "".join(
        f"{encode(name)} OverrideColorR:-1 OverrideColorG:-1 OverrideColorB:-1 Visible:true Visible3D:{_word(s.fill)} "
        f"Visible2DFill:{_word(s.fill)} Visible2DOutline:{_word(s.outline)} Opacity3D:1 Opacity2DFill:0.5 "
        "Opacity2DOutline:1 Pickable:true|"
        for name, s in segments.items()
    )


def _word(value: bool) -> str:
    return "true" if value else "false"


def encode(text: str) -> str:
    """What ``vtkMRMLNode::URLEncodeString`` makes of a file name or id; nothing else may be encoded."""
    for plain, coded in (("%", "%25"), (" ", "%20"), ("'", "%27"), (">", "%3E"), ("<", "%3C"), ('"', "%22")):
        text = text.replace(plain, coded)
    return text
