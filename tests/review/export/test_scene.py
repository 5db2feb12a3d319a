from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from atso_monai.review.export.scene import SceneCase, Shown, encode, write_scene


def decode(text: str) -> str:
    """``vtkMRMLNode::URLDecodeString``: the same pairs, the other way, the percent sign last."""
    for coded, plain in (("%20", " "), ("%27", "'"), ("%3E", ">"), ("%3C", "<"), ("%22", '"'), ("%25", "%")):
        text = text.replace(coded, plain)
    return text


def references(node: ET.Element) -> dict[str, str]:
    return dict(part.split(":", 1) for part in node.get("references", "").split(";") if part)


def case(name: str) -> SceneCase:
    segments = {"final_1": Shown(True, True), "f1_1": Shown(False, True)}
    return SceneCase(name, f"images/{name}.nii.gz", f"segmentations/{name}.seg.nrrd", (-160.0, 240.0), segments)


@pytest.mark.parametrize("name", ["plain", "a b", "a%b", "a#b%c$d", "x::y", "@脑", "it's <\"&>", "100%"])
def test_any_file_name_survives(name: str, tmp_path: Path) -> None:
    write_scene([case(name)], tmp_path / "s.mrml")
    root = ET.parse(tmp_path / "s.mrml").getroot()
    files = [decode(node.get("fileName", "")) for node in root if node.get("fileName")]
    assert files == [f"images/{name}.nii.gz", f"segmentations/{name}.seg.nrrd"]
    volume = root.find("Volume")
    assert volume is not None
    assert volume.get("name") == name


def test_ids_are_unique_and_every_reference_is_there(tmp_path: Path) -> None:
    write_scene([case(name) for name in "abc"], tmp_path / "s.mrml")
    root = ET.parse(tmp_path / "s.mrml").getroot()
    assert root.tag == "MRML"
    nodes = {node.get("id"): node for node in root}
    assert len(nodes) == len(list(root))
    wanted = [name for node in root for name in references(node).values()]
    assert wanted
    assert set(wanted) <= set(nodes)
    for node in root.findall("Segmentation"):
        own = references(node)
        assert own.keys() == {"display", "storage", "referenceImageGeometryRef"}
        storage = nodes[own["storage"]]
        image = nodes[references(nodes[own["referenceImageGeometryRef"]])["storage"]]
        files = [Path(str(found.get("fileName"))).name.split(".")[0] for found in (storage, image)]
        assert files[0] == files[1]


def test_what_is_shown(tmp_path: Path) -> None:
    write_scene([case("a"), case("b")], tmp_path / "s.mrml")
    root = ET.parse(tmp_path / "s.mrml").getroot()
    display = root.find("VolumeDisplay")
    assert display is not None
    assert (display.get("window"), display.get("level"), display.get("autoWindowLevel")) == ("400", "40", "0")
    assert [node.get("visibility") for node in root.findall("SegmentationDisplay")] == ["true", "false"]
    assert {references(node)["backgroundVolume"] for node in root.findall("SliceComposite")} == {
        "vtkMRMLScalarVolumeNode1"
    }
    shown = root.findall("SegmentationDisplay")[0].get("SegmentationDisplayProperties", "").split("|")
    assert [text.split()[0] for text in shown if text] == ["final_1", "f1_1"]
    assert "Visible2DFill:true Visible2DOutline:true" in shown[0]
    assert "Visible2DFill:false Visible2DOutline:true" in shown[1]


def test_encode_is_undone() -> None:
    for text in ("a%20b", "%25", "plain", "50% of <x> 'y' \"z\""):
        assert decode(encode(text)) == text
        assert " " not in encode(text)
