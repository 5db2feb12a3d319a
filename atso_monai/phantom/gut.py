"""Stomach, duodenum, small bowel and colon, each a walled tube with fluid, food, stool or gas."""

from __future__ import annotations

import numpy as np

from atso_monai.phantom.layers import Band, Layer, Texture
from atso_monai.phantom.pancreas import Pancreas
from atso_monai.phantom.patient import Patient, moved, spline
from atso_monai.phantom.shapes import Half, Points, Tube
from atso_monai.phantom.solids import Common, Outside, Rough
from atso_monai.phantom.trunk import Trunk

_UP = np.array([0.0, -1.0, 0.0])  # gas lies above its level: in front, as the patient lies on the back


def stomach_layers(patient: Patient, trunk: Trunk, plan: Pancreas) -> list[Layer]:
    """Oesophagus and stomach, from nearly empty to full, with food and a gas bubble at the front."""
    rng = patient.rng("stomach")
    fill = rng.uniform(0.62, 1.05)
    sag = rng.normal(0, 9)
    line = np.array(
        [(-64, -20, 72), (-76, 4, 60), (-70, 34, 34), (-40, 54, 8 + sag), (-4, 57, 1 + sag), (26, 47, 8)], float
    )
    line[-1] = _pylorus(plan)
    radii = np.array([28.0, 31.0, 28.0, 23.0, 16.0, 8.0]) * np.array([fill, fill, fill, fill, 0.5 + fill / 2, 1])
    line[:-1] = trunk.held(_pushed_off(line[:-1], radii[:-1], plan), 0.8 * radii[:-1], patient.size)
    bag = patient.tube(line, radii, step=10.0)
    gland = patient.tube(plan.line, plan.radii)
    dented = Common((bag, Outside(gland, 4.0)), 0.0)
    shape = Rough(dented, patient.field(rng, bag.low, bag.high, 20.0), 1.6)
    food = Texture(patient.field(rng, bag.low, bag.high, 7.0), rng.uniform(3, 30), -120, 60)
    level = patient.place([(0, 34 + rng.normal(4, 12), 0)])[0]
    bands = (
        Band("stomach wall", patient.hu("stomach wall", 6)),
        Band("stomach content", patient.hu("stomach content") + rng.uniform(-15, 45), 3.5, food),
        Band("gas", patient.hu("gas"), 3.5, within=Half(level, _UP)),
    )
    gullet = patient.tube([(-8, -22, 150), (-14, -12, 100), (-40, -12, 78)], (8, 8, 9), step=14.0)
    return [Layer(gullet, (Band("stomach wall", patient.hu("stomach wall", 6)),)), Layer(shape, bands)]


def _pushed_off(points: Points, radii: Points, plan: Pancreas) -> Points:
    """Points (N, 3) moved forwards and upwards off the gland until bags of ``radii`` just clear it."""
    gland = spline(np.column_stack([plan.line, plan.radii]), 4.0)
    free = points.copy()
    for point, radius in zip(free, radii, strict=True):
        away = point - gland[:, :3]
        room = np.linalg.norm(away, axis=1) - gland[:, 3] - radius - 3
        nearest = int(room.argmin())
        if room[nearest] < 0:
            aim = away[nearest] / np.linalg.norm(away[nearest]) + np.array([0.0, 0.7, 0.5])
            point[:] = point - room[nearest] * aim / np.linalg.norm(aim)
    return free


def _pylorus(plan: Pancreas) -> Points:
    place: Points = moved(plan.head, 2.0, 27.0, 20.0)
    return place


def duodenum_layers(patient: Patient, plan: Pancreas) -> list[Layer]:
    """The C around the head, then across under the mesenteric vessels to the left."""
    rng = patient.rng("duodenum")
    width = rng.uniform(8.0, 12.5)
    out = float(plan.radii[0]) * 0.9 + width
    head = plan.head
    across = head[2] - 42 + rng.normal(0, 5)
    line = np.array(
        [
            _pylorus(plan),
            moved(head, 16, 18, 20),
            moved(head, out, 4, 4),
            moved(head, out, -5, -18),
            (head[0] + out * 0.55, 4, across + 8),
            (4, 5, across),
            (-24, 6, across + 9),
            (-36, 14, across + 30),
        ],
        float,
    )
    line[1:5] += rng.normal(0, 2.5, (4, 3))
    tube = patient.tube(line, width * rng.uniform(0.85, 1.15, 8), step=7.0)
    wall = Band("bowel wall", patient.hu("bowel wall", 6))
    shape = Rough(tube, patient.field(rng, tube.low, tube.high, 9.0), 1.2)
    return [Layer(shape, (wall, *_content(patient, rng, tube, rng.uniform(2.5, 6.5))))]


def _content(patient: Patient, rng: np.random.Generator, tube: Tube, thick: float) -> tuple[Band, ...]:
    """Fluid or chyme at a wall of ``thick`` mm, feathery by folds, rarely with gas or oral contrast medium."""
    meal = float(patient.rng("meal").uniform(0, 75))  # what the bowel holds is much alike in one person
    hu = patient.hu("bowel content") + meal * rng.uniform(0.6, 1.2) + rng.normal(0, 7)
    folds = Texture(patient.field(rng, tube.low, tube.high, 4.5), 14.0, -45, 45)
    bands = [Band("bowel content", hu, thick, folds)]
    if rng.random() < 0.22:
        level = moved(tube.points.mean(0), 0, rng.uniform(-1, 5), 0)
        bands.append(Band("gas", patient.hu("gas"), max(thick - 1, 2.0), within=Half(level, _UP)))
    return tuple(bands)


def small_bowel(patient: Patient, trunk: Trunk, plan: Pancreas) -> tuple[list[Layer], Points]:
    """Loops of jejunum and ileum, and their middles (N, 3) in the reference frame."""
    rng = patient.rng("small bowel")
    centres = _scatter(rng, plan, count=int(rng.integers(38, 56)))
    layers = []
    for centre in centres:
        tube = _loop(patient, trunk, rng, centre)
        wall = Band("bowel wall", patient.hu("bowel wall", 8) + rng.normal(0, 7))
        thick = rng.choice((2.0, 3.0, 6.0), p=(0.35, 0.4, 0.25))
        layers.append(Layer(tube, (wall, *_content(patient, rng, tube, float(thick)))))
    return layers, centres


def _scatter(rng: np.random.Generator, plan: Pancreas, count: int, apart: float = 25.0) -> Points:
    """Places for loops: ``apart`` mm from one another, in front of the spine, not on the pancreatic head."""
    found: list[Points] = []
    for place in rng.uniform((-92, 2, -150), (92, 74, 12), (1500, 3)):
        x, y, z = place
        oval = (x / 98) ** 2 + ((y - 12) / 68) ** 2 < 1
        lower = z < -28 + 0.42 * max(0.0, -x)
        spine = abs(x) < 34 and y < 24
        clear = np.linalg.norm((place - plan.head) * (1, 1, 0.8)) > 46
        far = np.linalg.norm(plan.line - place, axis=1).min() > 27
        if oval and lower and not spine and clear and far and all(np.linalg.norm(place - o) > apart for o in found):
            found.append(place)
        if len(found) == count:
            break
    return np.array(found)


def _loop(patient: Patient, trunk: Trunk, rng: np.random.Generator, centre: Points) -> Tube:
    """A bent piece of bowel around ``centre``."""
    heading = rng.normal(size=3)
    heading /= np.linalg.norm(heading)
    bend = np.cross(heading, rng.normal(size=3))
    bend *= rng.uniform(6, 16) / np.linalg.norm(bend)
    half = rng.uniform(18, 30)
    line = [centre - half * heading + bend, centre - 0.4 * half * heading - bend / 2]
    line += [centre + 0.4 * half * heading - bend / 2, centre + half * heading + bend]
    radii = rng.uniform(8.5, 12.5) * rng.uniform(0.85, 1.1, 4)
    return patient.tube(trunk.held(np.array(line), radii, patient.size), radii, step=11.0)


def colon_layers(patient: Patient, trunk: Trunk) -> list[Layer]:
    """Caecum to the lower descending colon with haustra; stool, and gas in the parts that lie in front."""
    rng = patient.rng("colon")
    sag = max(-10.0, float(rng.normal(12, 14)))
    control = np.array(
        [
            (82, 14, -150, 24), (96, 4, -112, 24), (101, -8, -70, 22), (90, 6, -38, 19),
            (66, 50, -42, 17), (28, 66, -50 - sag, 17), (-20, 68, -46 - sag, 16), (-66, 56, -14, 15),
            (-92, 26, 14, 15), (-98, -8, 22, 14), (-102, -26, -20, 12), (-102, -26, -75, 12), (-92, -10, -125, 13),
        ],
        float,
    )  # fmt: skip
    control[1:-1, :3] += rng.normal(0, 4, (11, 3))
    control[:, :3] = trunk.held(control[:, :3], control[:, 3], patient.size)
    line = spline(control, 7.0)
    pouches = 1 + 0.14 * np.sin(np.arange(len(line)) * 7.0 * 2 * np.pi / 30)
    girth = rng.uniform(0.8, 1.1) * (
        1 + 0.12 * np.interp(np.arange(len(line)), np.arange(0, len(line), 9), rng.normal(size=-(-len(line) // 9)))
    )
    tube = Tube(patient.place(line[:, :3]), patient.size * line[:, 3] * pouches * girth)
    field = patient.field(rng, tube.low, tube.high, 5.5)
    wall = Band("bowel wall", patient.hu("bowel wall", 6) - 25)
    stool = Band("bowel content", 25.0, 2.5, Texture(field, 190.0, -560, 25))
    bubble = Tube(
        moved(tube.points, 0, 4.0, 0),
        np.maximum(tube.radii - 6.5 + 7 * np.clip(_patches(rng, len(line)), -1.5, 0.4), 0.0),
    )
    return [Layer(piece, (wall, stool)) for piece in tube.pieces(12)] + [
        Layer(piece, (Band("gas", patient.hu("gas")),)) for piece in bubble.pieces(12) if piece.radii.max() > 2
    ]


def _patches(rng: np.random.Generator, count: int) -> Points:
    """(count,) slowly changing values around 0."""
    knots = rng.normal(size=count // 6 + 2)
    values: Points = np.interp(np.arange(count) / 6, np.arange(len(knots)), knots)
    return values
