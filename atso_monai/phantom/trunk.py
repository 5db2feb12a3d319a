"""Skin, subcutaneous fat, muscle wall, the cavity with its fat, diaphragm, lungs and heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.grid import Array, Grid
from atso_monai.phantom.layers import Band, Layer, Texture
from atso_monai.phantom.patient import Patient
from atso_monai.phantom.shapes import Ellipsoid, Half, Points, Shape
from atso_monai.phantom.solids import Common, Inset, Joined, Outside, Rough

SPAN = np.array([260.0, 220.0, 320.0])  # mm: half of the box that holds any trunk


@dataclass(frozen=True)
class Barrel:
    """A long body with an oval cross-section, wider at hips and chest than at the waist.

    Attributes:
        patient: for posture; lengths here are already those of the patient.
        half_width, front, back: mm from the axis.
        groove: mm by which the midline of the back is sunk in.
        ripple: field of the uneven surface, 2.5 mm strong.
    """

    patient: Patient
    half_width: float
    front: float
    back: float
    groove: float
    ripple: SmoothField

    @property
    def low(self) -> Points:
        """Corner of the bounding box with the smallest coordinates; without bound below the scan."""
        return self._corner(-1)

    @property
    def high(self) -> Points:
        """Corner of the bounding box with the largest coordinates; without bound above the scan."""
        return self._corner(1)

    def distance(self, grid: Grid) -> Array:
        """Signed distance in mm to first order."""
        x, y = self._along(0, grid), self._along(1, grid)
        height = grid.from_point(self.patient.shift)[2]  # the tilt moves the waist by next to nothing
        waist = 1 - np.float32(0.07) * np.exp(-(((height + 60) / 55) ** 2))
        x = x / waist
        depth = np.where(y > 0, np.float32(self.front), np.float32(self.back))
        u, v = x / np.float32(self.half_width), y / depth
        value = np.sqrt(u * u + v * v) + np.float32(1e-6)
        slope = np.sqrt((u / np.float32(self.half_width)) ** 2 + (v / depth) ** 2) + np.float32(1e-6)
        # Flanks fuller than an ellipse's, and a furrow over the spine.
        full = 20 * (u * v / value**2) ** 2 - np.float32(self.groove) * np.exp(-((x / 16) ** 2)) * (y < 0)
        result: Array = value * (value - 1) / slope - full + np.float32(2.5) * self.ripple.on(grid)
        return result

    def _corner(self, side: int) -> Points:
        corner: Points = self.patient.shift + side * (
            np.array([self.half_width, max(self.front, self.back), np.inf]) + 30
        )
        return corner

    def _along(self, axis: int, grid: Grid) -> Array:
        """Coordinate of the trunk's own frame."""
        x, y, z = grid.from_point(self.patient.shift)
        row = self.patient.turn[:, axis].astype(np.float32)
        result: Array = x * row[0] + y * row[1] + z * row[2]
        return result


@dataclass(frozen=True)
class Trunk:
    """The nested solids of the body wall, and the domes of the diaphragm."""

    skin: Barrel
    muscle: Barrel
    cavity: Barrel
    domes: Shape

    def held(self, points: Points, radii: Points | float, size: float) -> Points:
        """Points (N, 3) of the reference frame, moved inwards until bowel of ``radii`` mm clears the wall."""
        room = 0.95 * np.array([[self.cavity.half_width], [self.cavity.front]]) / size - 2 - radii
        outside = np.hypot(points[:, 0] / room[0], np.maximum(points[:, 1], 0) / room[1])
        held = points.copy()
        held[:, :2] /= np.maximum(outside, 1)[:, None]
        return held


def draw_trunk(patient: Patient) -> Trunk:
    """Body wall of ``patient``: cavity, 10 to 16 mm of muscle, then fat that is thickest at back and flanks."""
    rng = patient.rng("trunk")
    wall = rng.uniform(9, 15)
    visceral = 1 + 0.09 * np.clip(patient.fat / 30, 0, 1.5) + rng.normal(0, 0.015)
    wide, front, back = 129 * visceral, 86 * visceral + rng.normal(0, 3), 82.0
    fat = patient.fat
    return Trunk(
        cavity=_barrel(patient, rng, wide, front, back, 0.0),
        muscle=_barrel(patient, rng, wide + wall, front + wall * 0.8, back + 19, 4.0),
        skin=_barrel(patient, rng, wide + wall + fat * 0.9, front + wall * 0.8 + fat, back + 22 + fat * 0.75, 8.0),
        domes=_domes(patient, rng),
    )


def _barrel(
    patient: Patient, rng: np.random.Generator, wide: float, front: float, back: float, groove: float
) -> Barrel:
    """A barrel of the given mm in the reference patient."""
    size = patient.size
    return Barrel(
        patient, wide * size, front * size, back * size, groove * size, SmoothField.draw(rng, -SPAN, SPAN, 55.0)
    )


def _domes(patient: Patient, rng: np.random.Generator) -> Shape:
    """What lies under the diaphragm; breathing moves it."""
    breath = rng.normal(0, 5)
    right = patient.ellipsoid((60, 4, 8 + breath), (86, 98, 96))
    left = patient.ellipsoid((-60, 4, 4 + breath), (84, 96, 86))
    return Joined((right, left), blend=18.0)


def wall_layers(patient: Patient, trunk: Trunk) -> tuple[list[Layer], list[Layer]]:
    """Skin with the fat inside it; and the muscle wall, to be painted over organs that bulge into it."""
    rng = patient.rng("wall")
    strands = Texture(SmoothField.draw(rng, -SPAN, SPAN, 9.0), 7.0, -15, 45)
    sheets = Texture(SmoothField.draw(rng, -SPAN, SPAN, 12.0), 16.0, -60, 12)
    fat = patient.hu("fat", 3)
    ring = Common((trunk.muscle, Outside(trunk.cavity)), blend=0.0)
    skin = Layer(trunk.skin, (Band("skin", patient.hu("skin")), Band("fat", fat, 2.0, strands)))
    return [skin], [Layer(ring, (Band("muscle", patient.hu("muscle", 4), 0.0, sheets),))]


def chest_layers(patient: Patient, trunk: Trunk) -> list[Layer]:
    """Lungs above the diaphragm, its muscle, and the lower part of the heart."""
    rng = patient.rng("chest")
    texture = Texture(SmoothField.draw(rng, -SPAN, SPAN, 10.0), 22.0, -40, 110)
    # The pleura reaches far lower behind than in front.
    above = Half(patient.place([(0, 0, 12)])[0], np.array([0.0, 0.0, -1.0]))
    plane = Half(patient.place([(0, 0, 42)])[0], np.array([0.0, 0.42, -0.9075]))
    slope = Rough(plane, SmoothField.draw(rng, -SPAN, SPAN, 45.0), 6.0)
    mediastinum = patient.tube([(0, -60, 20), (0, -40, 150)], (22, 30), stretch=(1.0, 1.4, 1.0))
    space = Common((Inset(trunk.cavity, -2.0), above, slope, Outside(trunk.domes), Outside(mediastinum)), blend=6.0)
    heart = Rough(_heart(patient), SmoothField.draw(rng, -SPAN, SPAN, 40.0), 2.0)
    blood = (
        Band("fat", patient.hu("fat"), 0.0),
        Band("muscle", 90.0, 6.0),
        Band("heart", patient.hu("heart", 8), 14.0),
    )
    return [Layer(space, (Band("lung", patient.hu("lung", 15), 0.0, texture),)), Layer(heart, blood)]


def _heart(patient: Patient) -> Ellipsoid:
    return patient.ellipsoid((-22, 34, 142), (66, 48, 44), (0, 14, 0))
