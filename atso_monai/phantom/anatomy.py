"""The order in which a person is painted: what is painted later lies in front of, or inside, what came before."""

from __future__ import annotations

import numpy as np

from atso_monai.phantom.gut import colon_layers, duodenum_layers, small_bowel, stomach_layers
from atso_monai.phantom.layers import Band, Layer
from atso_monai.phantom.organs import kidney_layers, liver_layers, spleen_layers
from atso_monai.phantom.pancreas import draw_pancreas, pancreas_layers
from atso_monai.phantom.patient import Patient
from atso_monai.phantom.shapes import Tube
from atso_monai.phantom.skeleton import muscle_layers, pelvis_layers, rib_layers, spine_layers
from atso_monai.phantom.trunk import Trunk, chest_layers, draw_trunk, wall_layers
from atso_monai.phantom.vessels import great_vessel_layers, mesentery_layers, portal_layers


def anatomy_layers(patient: Patient) -> list[Layer]:
    """All of ``patient`` on the table, as layers in painting order."""
    trunk = draw_trunk(patient)
    plan = draw_pancreas(patient)
    loops, middles = small_bowel(patient, trunk, plan)
    inner, outer = wall_layers(patient, trunk)
    return [
        *_table(patient, trunk),
        *inner,
        *chest_layers(patient, trunk),
        *liver_layers(patient, trunk),
        *spleen_layers(patient, trunk),
        *kidney_layers(patient),
        *muscle_layers(patient),
        *spine_layers(patient),
        *great_vessel_layers(patient),
        *colon_layers(patient, trunk),
        *loops,
        *mesentery_layers(patient, middles),
        *stomach_layers(patient, trunk, plan),
        *duodenum_layers(patient, plan),
        *pancreas_layers(patient, plan),
        *portal_layers(patient, plan),
        *outer,
        *rib_layers(patient, trunk.cavity.half_width / patient.size, trunk.cavity.front / patient.size),
        *pelvis_layers(patient),
    ]


def _table(patient: Patient, trunk: Trunk) -> list[Layer]:
    """The two plates of the couch under the patient's back."""
    back = float(patient.shift[1]) - trunk.skin.back - 5
    across = np.linspace(-230, 230, 24)
    layers = []
    for drop, bend in ((0.0, 0.0009), (22.0, 0.0006)):
        line = np.column_stack([across, back - drop + bend * across**2, np.zeros(24)])
        plate = Tube(line, np.full(24, 1.5), stretch=(1.0, 1.0, 400.0))
        layers.append(Layer(plate, (Band("table", patient.hu("table")),)))
    return layers
