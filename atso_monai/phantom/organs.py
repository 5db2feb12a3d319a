"""Liver with gallbladder, spleen, kidneys and adrenals."""

from __future__ import annotations

import numpy as np

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.layers import Band, Layer, Texture
from atso_monai.phantom.patient import Patient, moved
from atso_monai.phantom.shapes import Points, Shape
from atso_monai.phantom.solids import Common, Inset, Joined, Outside, Rough
from atso_monai.phantom.trunk import Trunk


def liver_layers(patient: Patient, trunk: Trunk) -> list[Layer]:
    """The liver under the right dome, with portal branches and hepatic veins, and the gallbladder below."""
    rng = patient.rng("liver")
    grown = rng.uniform(0.92, 1.08)
    lobes = (
        patient.ellipsoid((74, -6, 32), (70, 88, 80 * grown), (0, 12, 0)),
        patient.ellipsoid((2, 44, 62), (86 * rng.uniform(0.85, 1.05), 34, 34), (12, -14, 0)),
        patient.ellipsoid((22, -2, 42), (20, 15, 28)),
    )
    free = Outside(_hollow(patient))
    whole = Common((Joined(lobes, 26.0), Inset(trunk.cavity, 3.0), Inset(trunk.domes, 3.0), free), blend=12.0)
    shape = Rough(whole, _field(patient, rng, whole, 32.0), 2.0)
    mottle = Texture(_field(patient, rng, whole, 7.0), 4.0)
    base = patient.hu("liver", 7) - max(0.0, float(rng.normal(-12, 14)))  # some livers are fatty
    vessels = [Band(kind, patient.hu(kind, 6), 6.0, within=tree) for kind, tree in _trees(patient, rng)]
    gall = Rough(patient.ellipsoid((56, 50, 0), (13, 14, 27), (25, 10, 0)), _field(patient, rng, whole, 20.0), 1.0)
    bile = (Band("bowel wall", 60.0), Band("gallbladder", patient.hu("gallbladder", 3), 1.6))
    return [Layer(shape, (Band("liver", base, 0.0, mottle), *vessels)), Layer(gall, bile)]


def _hollow(patient: Patient) -> Shape:
    """Where stomach, bowel and pancreas push into the liver from below."""
    return patient.ellipsoid((-6, -2, -22), (62, 62, 60), (0, -18, 0))


def _trees(patient: Patient, rng: np.random.Generator) -> list[tuple[str, Shape]]:
    """Vessels inside the liver: from the porta outwards, and from the upper vena cava outwards."""
    found: list[tuple[str, Shape]] = []
    for kind, root, ends, radius in (
        ("portal vein", (40, 18, 32), ((98, 10, 52), (92, -35, 25), (85, 45, 25), (10, 50, 58), (100, -5, 5)), 5.5),
        ("systemic vein", (20, -8, 86), ((112, -5, 45), (75, 45, 60), (0, 50, 66), (80, -45, 60)), 5.0),
    ):
        tubes: list[Shape] = []
        for end in ends:
            tip = np.array(end) + rng.normal(0, 7, 3)
            middle = (np.array(root) + tip) / 2 + rng.normal(0, 6, 3)
            tubes.append(patient.tube([root, middle, tip], (radius, radius * 0.7, 1.5), step=14.0))
            twig = tip + rng.normal(0, 22, 3)
            tubes.append(patient.tube([middle, twig], (radius * 0.5, 1.3), step=20.0))
        found.append((kind, Joined(tuple(tubes), blend=0.0)))
    return found


def spleen_layers(patient: Patient, trunk: Trunk) -> list[Layer]:
    """A crescent under the left dome, mottled in the arterial phase."""
    rng = patient.rng("spleen")
    grown = rng.uniform(0.85, 1.2)
    body = patient.ellipsoid((-103, -30, 42), (42 * grown, 52 * grown, 54 * grown), (20, 0, 0))
    free = Outside(patient.ellipsoid((-58, 10, 40), (48, 50, 70)))
    whole = Common((body, Inset(trunk.cavity, 3.0), Inset(trunk.domes, 3.0), free), blend=10.0)
    moire = 22.0 * max(0.0, 1 - abs(patient.phase - 1) / 0.5) + 3.0
    texture = Texture(_field(patient, rng, whole, 12.0), moire)
    shape = Rough(whole, _field(patient, rng, whole, 25.0), 1.8)
    return [Layer(shape, (Band("spleen", patient.hu("spleen", 6), 0.0, texture),))]


def kidney_layers(patient: Patient) -> list[Layer]:
    """Both kidneys in their fat, each with cortex, pyramids, sinus fat and pelvis, and an adrenal above."""
    layers: list[Layer] = []
    for side, name in ((1, "right"), (-1, "left")):
        rng = patient.rng(name + " kidney")
        centre = np.array([side * 67.0, -39.0, -18.0 if side > 0 else -4.0]) + rng.normal(0, (3, 2, 7))
        layers += _kidney(patient, rng, side, centre)
        layers.append(Layer(_adrenal(patient, side, centre), (Band("adrenal", patient.hu("adrenal", 4)),)))
    return layers


def _kidney(patient: Patient, rng: np.random.Generator, side: int, centre: Points) -> list[Layer]:
    size = np.array([25.0, 25.0, 52.0]) * rng.uniform(0.9, 1.1) * rng.uniform(0.94, 1.06, 3)
    degrees = (8.0, -side * 12.0, side * 25.0)
    bed = patient.ellipsoid(centre, (size + 9).tolist(), degrees)
    medial = moved(centre, -side * 17.0, 7.0, 0.0)
    body = patient.ellipsoid(centre, size.tolist(), degrees)
    sinus = patient.ellipsoid(medial, (15.0, 11.0, 21.0), degrees)
    shape = Rough(Common((body, Outside(sinus)), 6.0), _field(patient, rng, body, 18.0), 1.2)
    columns = Rough(Inset(body, 7.0), _field(patient, rng, body, 11.0), 4.5)
    bands = (
        Band("kidney cortex", patient.hu("kidney cortex", 8)),
        Band("kidney medulla", patient.hu("kidney medulla", 5), 5.0, within=columns),
    )
    pelvis = patient.tube(
        [medial, moved(medial, -side * 9.0, 3.0, -6.0), moved(medial, -side * 16.0, 2.0, -40.0)], (6, 4, 2)
    )
    return [
        Layer(bed, (Band("fat", patient.hu("fat", 3)),)),
        Layer(shape, bands),
        Layer(pelvis, (Band("renal pelvis", patient.hu("renal pelvis", 2)),)),
    ]


def _adrenal(patient: Patient, side: int, centre: Points) -> Shape:
    top = np.array([side * 40.0, -34.0, centre[2] + 50])
    tail = moved(top, side * 5.0, -16.0, -4.0)
    return patient.tube([moved(top, -side * 2.0, 5.0, 4.0), top, tail], (2.2, 3, 2), step=8.0, stretch=(1.0, 1.0, 3.0))


def _field(patient: Patient, rng: np.random.Generator, shape: Shape, scale: float) -> SmoothField:
    return patient.field(rng, np.maximum(shape.low, -250) - 5, np.minimum(shape.high, 250) + 5, scale)
