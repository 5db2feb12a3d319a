"""Leads through the cases of an export in 3D Slicer; nothing is installed there.

    Slicer --python-script open_in_slicer.py

A panel lists the cases. The final label is filled, each fold model is an outline, magenta is where the models disagree.
Going on to another case saves what was edited to corrected/<case>.seg.nrrd; the exported files stay as they are.

Slicer calls: its script repository (slicer.readthedocs.io, developer_guide/script_repository) and Base/Python/slicer.
"""

from __future__ import annotations

import json
import os
from typing import Any

import qt
import slicer


class CaseBrowser:
    """The case list with its buttons, and the case that is open."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
            self.cases: list[dict[str, Any]] = json.load(file)
        self.index = -1
        self.segmentation: Any = None
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._build()
        if self.cases:
            self.list.setCurrentRow(0)

    def _build(self) -> None:
        self.dock = qt.QDockWidget("ATSO cases")
        self.dock.setObjectName("AtsoCases")
        panel = qt.QWidget()
        column = qt.QVBoxLayout(panel)
        self.list = qt.QListWidget()
        for case in self.cases:
            self.list.addItem(" ".join(word for word in (case["id"], case["role"], case["fold"]) if word))
        self.list.connect("currentRowChanged(int)", self.show)
        column.addWidget(self.list)
        for title, action in (("Previous", self.previous), ("Next", self.next), ("Save corrections", self.save)):
            button = qt.QPushButton(title)
            button.connect("clicked()", action)
            column.addWidget(button)
        self.dock.setWidget(panel)
        slicer.util.mainWindow().addDockWidget(qt.Qt.RightDockWidgetArea, self.dock)

    def previous(self) -> None:
        """Open the case before this one."""
        self.list.setCurrentRow(max(self.index - 1, 0))

    def next(self) -> None:
        """Open the case after this one."""
        self.list.setCurrentRow(min(self.index + 1, len(self.cases) - 1))

    def show(self, index: int) -> None:
        """Open a case; what was edited in the one before is saved first, and a failed save keeps that open."""
        if index in (-1, self.index):
            return
        if not self.save():
            self.list.setCurrentRow(self.index)
            return
        slicer.mrmlScene.Clear(0)
        self.index = index
        case = self.cases[index]
        volume = slicer.util.loadVolume(os.path.join(self.folder, case["image"]))
        volume.SetName(case["id"])
        volume.SetSaveWithScene(False)  # the file may be a link to the original scan: never save over it
        self._window(volume, *case["window"])
        corrected = self.corrected(case)
        exported = os.path.join(self.folder, case["segmentation"])
        self.segmentation = slicer.util.loadSegmentation(corrected if os.path.isfile(corrected) else exported)
        self.segmentation.SetName(case["id"] + " labels")
        self.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        self._draw(case)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        slicer.util.resetThreeDViews()

    def corrected(self, case: dict[str, Any]) -> str:
        """File for the corrected segmentation of a case."""
        return os.path.join(self.folder, "corrected", case["id"] + ".seg.nrrd")

    def save(self) -> bool:
        """Save the open segmentation if it was edited; says whether going on loses nothing."""
        if self.segmentation is None or not self.segmentation.GetModifiedSinceRead():
            return True
        path = self.corrected(self.cases[self.index])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if slicer.util.saveNode(self.segmentation, path):
            return True
        slicer.util.errorDisplay("Could not save " + path)
        return False

    def _window(self, volume: Any, low: float, high: float) -> None:
        display = volume.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(high - low, (high + low) / 2)

    def _draw(self, case: dict[str, Any]) -> None:
        self.segmentation.CreateDefaultDisplayNodes()
        display = self.segmentation.GetDisplayNode()
        segments = self.segmentation.GetSegmentation()
        for number in range(segments.GetNumberOfSegments()):
            name = segments.GetNthSegmentID(number)
            drawn = name in case["filled"] or name in case["outlined"]
            display.SetSegmentVisibility2DFill(name, name in case["filled"] or not drawn)
            display.SetSegmentVisibility2DOutline(name, name in case["outlined"] or not drawn)
            display.SetSegmentVisibility3D(name, name in case["filled"] or not drawn)
            display.SetSegmentOpacity2DFill(name, 0.5)


if __name__ == "__main__":
    browser = CaseBrowser(os.path.dirname(os.path.abspath(__file__)))
