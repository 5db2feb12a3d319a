"""The script under stand-ins of the two modules that Slicer has: which calls it makes, and what it saves where."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

import atso_monai.review.export

SOURCE = Path(atso_monai.review.export.__file__).parent / "slicer_script.py"
CASES = [
    {
        "id": name, "role": "reference", "fold": "f1", "image": f"images/{name}.nii.gz",
        "segmentation": f"segmentations/{name}.seg.nrrd", "window": [-160.0, 240.0],
        "filled": ["final_1", "disagreement"], "outlined": ["final_1", "f1_1"],
    }
    for name in ("a b", "脑", "c")
]  # fmt: skip


class ListWidget:
    """Rows, and the signal that Qt sends when another one is chosen."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.row = -1
        self.slot: Callable[[int], None] | None = None

    def addItem(self, text: str) -> None:
        self.rows.append(text)

    def connect(self, signal: str, slot: Callable[[int], None]) -> None:
        assert signal == "currentRowChanged(int)"
        self.slot = slot

    def setCurrentRow(self, row: int) -> None:
        if row != self.row:
            self.row = row
            assert self.slot is not None
            self.slot(row)


class Segmentation(MagicMock):
    ids = ("final_1", "f1_1", "disagreement", "Segment_drawn_by_hand")
    edited = False

    def GetModifiedSinceRead(self) -> bool:
        return self.edited

    def GetSegmentation(self) -> Any:
        found = MagicMock()
        found.GetNumberOfSegments.return_value = len(self.ids)
        found.GetNthSegmentID.side_effect = lambda n: self.ids[n]
        return found


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Path]:
    """The browser that the script starts, the stand-in of slicer, and the export folder."""
    slicer, qt = MagicMock(), MagicMock()
    qt.QListWidget = ListWidget
    slicer.util.loadSegmentation.side_effect = lambda path: Segmentation()
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "qt", qt)
    folder = tmp_path / "export #1"
    folder.mkdir()
    (folder / "cases.json").write_text(json.dumps(CASES, ensure_ascii=False), encoding="utf-8")
    shutil.copyfile(SOURCE, folder / "open_in_slicer.py")
    names = runpy.run_path(str(folder / "open_in_slicer.py"), run_name="__main__")
    return names["browser"], slicer, folder


def test_it_is_plain_python_that_slicer_reads() -> None:
    """Slicer opens the file in the machine's own encoding, and has neither this package nor what it needs."""
    tree = ast.parse(SOURCE.read_bytes().decode("ascii"), feature_version=(3, 9))
    imports = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imports |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imports <= {"__future__", "json", "os", "typing", "qt", "slicer"}


def test_the_first_case_is_shown(opened: tuple[Any, Any, Path]) -> None:
    browser, slicer, folder = opened
    assert browser.list.rows == ["a b reference f1", "脑 reference f1", "c reference f1"]
    slicer.app.layoutManager().setLayout.assert_called_once_with(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.loadVolume.assert_called_once_with(str(folder / "images/a b.nii.gz"))
    slicer.util.loadSegmentation.assert_called_once_with(str(folder / "segmentations/a b.seg.nrrd"))
    volume = slicer.util.loadVolume.return_value
    volume.GetDisplayNode().SetWindowLevel.assert_called_once_with(400.0, 40.0)
    volume.SetSaveWithScene.assert_called_once_with(False)
    slicer.util.setSliceViewerLayers.assert_called_once_with(background=volume, fit=True)
    browser.segmentation.SetReferenceImageGeometryParameterFromVolumeNode.assert_called_once_with(volume)


def test_how_segments_are_drawn(opened: tuple[Any, Any, Path]) -> None:
    display = opened[0].segmentation.GetDisplayNode()
    fill = {c.args[0]: c.args[1] for c in display.SetSegmentVisibility2DFill.call_args_list}
    outline = {c.args[0]: c.args[1] for c in display.SetSegmentVisibility2DOutline.call_args_list}
    assert fill == {"final_1": True, "f1_1": False, "disagreement": True, "Segment_drawn_by_hand": True}
    assert outline == {"final_1": True, "f1_1": True, "disagreement": False, "Segment_drawn_by_hand": True}


def test_next_and_previous_stop_at_the_ends(opened: tuple[Any, Any, Path]) -> None:
    browser, slicer, _ = opened
    browser.previous()
    assert browser.index == 0
    for _ in range(5):
        browser.next()
    assert browser.index == 2
    assert slicer.mrmlScene.Clear.call_count == 3
    assert slicer.util.saveNode.call_count == 0  # nothing was edited


def test_edits_go_to_a_folder_of_their_own(opened: tuple[Any, Any, Path]) -> None:
    browser, slicer, folder = opened
    edited = browser.segmentation
    edited.edited = True
    browser.next()
    path = str(folder / "corrected" / "a b.seg.nrrd")
    slicer.util.saveNode.assert_called_once_with(edited, path)
    assert browser.index == 1
    Path(path).write_text("corrected")
    browser.previous()
    assert slicer.util.loadSegmentation.call_args.args == (path,)


def test_what_cannot_be_saved_stays_open(opened: tuple[Any, Any, Path]) -> None:
    browser, slicer, _ = opened
    slicer.util.saveNode.return_value = False
    browser.segmentation.edited = True
    browser.next()
    assert (browser.index, browser.list.row) == (0, 0)
    assert slicer.mrmlScene.Clear.call_count == 1
    assert slicer.util.errorDisplay.called
