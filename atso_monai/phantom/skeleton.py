"""Spine, ribs, iliac crests, and the muscles that hold them."""

from __future__ import annotations

import numpy as np

from atso_monai.phantom.layers import Band, Layer, Texture
from atso_monai.phantom.patient import Patient
from atso_monai.phantom.shapes import Half, Points, Tube
from atso_monai.phantom.solids import Common, Joined

LEVELS = (183.0, 153.0, 124.0, 94.0, 64.0, 33.0, 0.0, -34.0, -69.0, -105.0, -140.0)  # T7 to L5: z of the bodies, mm
_COLUMN = ((0, -44, -180), (0, -38, -105), (0, -41, -40), (0, -46, 20), (0, -49, 90), (0, -50, 190))


def muscle_layers(patient: Patient) -> list[Layer]:
    """Back muscles, quadratus lumborum, psoas and the crura of the diaphragm, on both sides."""
    rng = patient.rng("muscles")
    strength = rng.uniform(0.85, 1.12)
    low, high = np.full(3, -230.0), np.full(3, 230.0)
    strands = Texture(patient.field(rng, low, high, 9.0), 20.0, -75, 15)
    paths = (
        (((31, -78, -200), (30, -76, -60), (27, -74, 190)), (22, 21, 16)),
        (((57, -57, -140), (54, -60, -60), (44, -62, 10)), (12, 11, 5)),
        (((52, -26, -150), (44, -36, -80), (33, -42, -20), (26, -42, 12)), (22, 19, 12, 5)),
        (((11, -24, -40), (13, -23, 20), (12, -28, 75)), (3, 5.5, 4)),
    )
    band = Band("muscle", patient.hu("muscle", 4) + 2, 0.0, strands)
    layers = []
    for points, radii in paths:
        for side in (1, -1):
            line = np.array(points, float) * (side, 1, 1)
            layers.append(Layer(patient.tube(line, np.array(radii) * strength, step=25.0), (band,)))
    return layers


def spine_layers(patient: Patient) -> list[Layer]:
    """Discs, vertebral bodies with a cortical shell, arches with processes, and the canal."""
    rng = patient.rng("spine")
    column = patient.tube(_COLUMN, (25, 24, 22, 20, 18, 17), step=12.0, stretch=(1.0, 0.78, 1.0))
    mottle = Texture(patient.field(rng, column.low - 10, column.high + 10, 5.0), 28.0)
    spongy = Band("spongy bone", patient.hu("spongy bone", 25), 1.7, mottle)
    bone = (Band("cortical bone", 330.0), spongy)
    layers = [Layer(column, (Band("disc", patient.hu("disc", 5)),))]
    for level in LEVELS:
        layers.append(Layer(_body(patient, column, level), bone))
        layers.append(Layer(_arch(patient, level), (Band("cortical bone", 420.0), Band("spongy bone", 240.0, 2.5))))
    canal = patient.tube([(x, y - 27, z) for x, y, z in _COLUMN], 7.5, step=20.0, stretch=(1.25, 1.0, 1.0))
    return [*layers, Layer(canal, (Band("spinal canal", patient.hu("spinal canal", 3)),))]


def _column_y(level: float) -> float:
    line = np.array(_COLUMN, float)
    return float(np.interp(level, line[:, 2], line[:, 1]))


def _body(patient: Patient, column: Tube, level: float) -> Common:
    """One vertebral body: the column between two end plates."""
    half = 12.5 - 0.012 * max(level, 0.0)
    centre = patient.place([(0, _column_y(level), level)])[0]
    up = patient.turn[:, 2]
    reach = patient.size * half
    return Common((column, Half(centre + reach * up, up), Half(centre - reach * up, -up)), blend=3.0)


def _arch(patient: Patient, level: float) -> Joined:
    """Pedicles, laminae, spinous and transverse processes of one vertebra."""
    y = _column_y(level)
    spinous = patient.tube([(0, y - 38, level - 6), (0, y - 49, level - 13)], (4, 3), stretch=(1.0, 1.0, 2.2))
    parts = [spinous]
    for side in (1, -1):
        ring = [(side * 15, y - 14, level + 3), (side * 15, y - 29, level), (side * 4, y - 38, level - 6)]
        across = [(side * 15, y - 27, level + 2), (side * 38, y - 30, level + 1)]
        parts += [patient.tube(ring, (5, 6, 4), step=9.0), patient.tube(across, (5, 3), step=23.0)]
    return Joined(tuple(parts), blend=2.0)


def rib_layers(patient: Patient, half_width: float, front: float) -> list[Layer]:
    """Ribs 7 to 12 on both sides, in the wall of a cavity ``half_width`` x ``front`` mm (of the reference patient)."""
    tilt = patient.rng("ribs").normal(0, 4)
    bone = (Band("cortical bone", 520.0), Band("spongy bone", 230.0, 2.2))
    reach = (152.0, 150.0, 140.0, 128.0, 88.0, 58.0)  # degrees around the body from the spine
    layers = []
    for number, (level, end) in enumerate(zip(LEVELS, reach, strict=False)):
        for side in (1, -1):
            line = _rib(level + 6, end, half_width, front, tilt - 3.0 * max(number - 3, 0)) * (side, 1, 1)
            whole = patient.tube(line, 3.6, step=16.0, stretch=(1.0, 1.0, 1.5))
            layers += [Layer(piece, bone) for piece in whole.pieces(4)]
    return layers


def _rib(level: float, end: float, half_width: float, front: float, tilt: float) -> Points:
    """Control points of a right rib from its vertebra around the side, sinking towards the front."""
    angle = np.radians(np.linspace(22, end, 9))
    depth = np.where(angle < np.pi / 2, 82.0, front)
    x, y = (half_width + 4) * np.sin(angle), -(depth + 3) * np.cos(angle)
    drop = (62 + tilt) * (angle / np.pi * 2) ** 1.1
    line: Points = np.column_stack([x, y, level - drop])
    line[0, 1] += 6
    return line


def pelvis_layers(patient: Patient) -> list[Layer]:
    """The wings of the iliac bones at the lower end of the scan."""
    bone = (Band("cortical bone", 560.0), Band("spongy bone", 260.0, 2.4))
    layers = []
    for side in (1, -1):
        for drop in range(0, 70, 9):
            inward = 0.32 * drop
            line = [(side * (58 - inward), -80, -112 - drop), (side * (100 - inward), -46, -98 - drop)]
            line += [(side * (126 - inward), -6, -103 - drop), (side * (122 - inward), 24, -116 - drop)]
            layers.append(Layer(patient.tube(line, (4.5, 4, 4, 5), step=18.0, stretch=(1.0, 1.0, 1.6)), bone))
    return layers
