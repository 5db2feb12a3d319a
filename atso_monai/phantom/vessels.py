"""Aorta and its branches, caval and renal veins, and the portal system with the mesenteric fan."""

from __future__ import annotations

import numpy as np

from atso_monai.phantom.layers import Band, Layer
from atso_monai.phantom.pancreas import Pancreas
from atso_monai.phantom.patient import Patient, moved
from atso_monai.phantom.shapes import Points, Tube


def great_vessel_layers(patient: Patient) -> list[Layer]:
    """Aorta, vena cava and the renal vessels, all on the spine: painted before what lies in front of them."""
    rng = patient.rng("great vessels")
    wide = rng.uniform(0.85, 1.2)
    sway = rng.normal(0, 3)
    aorta = [(-14, -28, 150), (-9 + sway, -22, 70), (-8 + sway, -16, 0), (-5, -8, -80), (-3, -4, -103)]
    arteries = [patient.tube(aorta, np.array([12, 11, 10, 9, 8]) * wide, step=14.0)]
    cava = [(13, -4, -103), (18, -11, -60), (20, -12, 0), (21, -8, 50), (20, -4, 90), (14, 8, 125)]
    veins = [patient.tube(cava, np.array([9, 10.5, 11, 12.5, 13, 14]) * wide, step=14.0, stretch=(1.15, 0.85, 1.0))]
    for side in (1, -1):
        arteries.append(patient.tube([(-4, -5, -100), (side * 22, -8, -125), (side * 40, -18, -160)], (7, 6, 5.5)))
        veins.append(patient.tube([(13, -6, -100), (side * 24 + 6, -16, -125), (side * 42, -24, -160)], (8, 7, 6)))
        arteries.append(patient.tube([(-8, -16, -4), (side * 26, -24, -8), (side * 50, -31, -8)], 2.6, step=12.0))
    veins.append(patient.tube([(20, -12, -6), (34, -20, -10), (50, -29, -14)], 4.5, step=12.0))
    veins.append(patient.tube([(18, -7, -6), (-8, -3, -5), (-28, -18, -6), (-50, -28, -4)], 4.5, step=10.0))
    return _blood(patient, "systemic vein", veins) + _blood(patient, "artery", arteries)


def portal_layers(patient: Patient, plan: Pancreas) -> list[Layer]:
    """Splenic vein along the back of the gland, mesenteric vein behind its neck, portal vein, coeliac and SMA."""
    confluence = moved(plan.neck, 1.0, -12.0, 2.0)
    behind = moved(plan.line[2:], 0, -3, 0) + np.array([(0.0, -1.0, 1.0)]) * plan.radii[2:, None]
    hilum = moved(plan.line[-1], -10, -8, 8)
    splenic = patient.tube(np.vstack([confluence, behind, hilum]), (6, 5, 4.5, 4, 3.5), step=7.0)
    stem = moved(confluence, 0.0, 0.0, -3.0)
    smv = patient.tube([stem, moved(stem, 2, 2, -28), (14, 26, -62), (22, 30, -95)], (6.5, 6, 5, 3))
    portal = patient.tube([confluence, moved(confluence, 13, -3, 17), (40, 18, 34)], (7, 7, 6.5))
    sma_root = np.array([-6.0, -8.0, 3.0])
    below = np.array([plan.neck[0] - 15, 17.0, plan.neck[2] - 28])
    sma = patient.tube(
        [sma_root, (sma_root + below) / 2 + np.array([0, 5, 6]), below, (0, 26, -70), (8, 30, -100)],
        (4, 3.8, 3.5, 3, 2),
    )
    celiac = patient.tube([(-7, -12, 14), (-6, 6, 20), (18, 20, 24), (36, 24, 30)], (4, 3.5, 2.8, 2.4))
    snake = moved(plan.line[2:], 0, -2, 11) + patient.rng("splenic artery").normal(0, 4, (3, 3))
    splenic_artery = patient.tube(np.vstack([[(-6, 6, 20)], snake]), 2.5, step=7.0)
    return _blood(patient, "portal vein", [splenic, smv, portal]) + _blood(
        patient, "artery", [sma, celiac, splenic_artery]
    )


def mesentery_layers(patient: Patient, ends: Points) -> list[Layer]:
    """Thin vessels from the mesenteric root to the bowel loops at ``ends`` (N, 3) of the reference frame."""
    rng = patient.rng("mesentery")
    twigs = []
    for end in ends:
        root = np.array([10.0, 26.0, np.clip(end[2] + 20, -90, -35)])
        bent = (root + end) / 2 + rng.normal(0, 5, 3)
        twigs.append(patient.tube([root, bent, root + 0.93 * (end - root)], (2.2, 1.7, 1.2), step=18.0))
    return _blood(patient, "portal vein", twigs)


def _blood(patient: Patient, kind: str, tubes: list[Tube]) -> list[Layer]:
    """One layer a tube: a joined one would have to be worked out over the box of all of them."""
    return [Layer(tube, (Band(kind, patient.hu(kind, 10)),)) for tube in tubes]
