"""The pancreas: a bent, tapered, lobulated tube whose course, girth, place and texture differ between people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atso_monai.phantom.layers import Band, Layer, Texture
from atso_monai.phantom.patient import Patient, moved
from atso_monai.phantom.shapes import Points
from atso_monai.phantom.solids import Joined, Rough

# Centre line in the reference frame (mm): head, neck in front of the portal vein, body over the spine, tail.
_HEAD = np.array([30.0, 15.0, -16.0])
_NECK = np.array([9.0, 27.0, -2.0])
_BODY = np.array([-16.0, 29.0, 7.0])
_RISE = np.array([-44.0, 17.0, 16.0])
_TAIL = np.array([-84.0, -6.0, 34.0])


@dataclass(frozen=True)
class Pancreas:
    """One person's pancreas in the reference frame; its neighbours are laid around it.

    Attributes:
        line: (5, 3) head, neck, body, rise and tail in mm.
        radii: (5,) mm.
        uncinate: (3,) end of the hook behind the superior mesenteric vein.
        fatty: share of fat between the lobules, 0 to 0.5.
    """

    line: Points
    radii: Points
    uncinate: Points
    fatty: float

    @property
    def head(self) -> Points:
        """(3,) middle of the head."""
        middle: Points = self.line[0]
        return middle

    @property
    def neck(self) -> Points:
        """(3,) middle of the neck."""
        middle: Points = self.line[1]
        return middle


def draw_pancreas(patient: Patient) -> Pancreas:
    """Draw place, course (oblique, level, arched or hanging tail), girth and fat of the pancreas."""
    rng = patient.rng("pancreas")
    place = np.clip(rng.normal(0, 1, 3), -2, 2) * (5.0, 2.5, 10.0)
    bow, lift = np.clip(rng.normal(0, 1, 2), -2, 2) * (6.0, 13.0)
    reach = rng.uniform(0.72, 1.1)
    line = np.stack([_HEAD, _NECK, _BODY, _RISE, _TAIL])
    line[1:, 0] = 9 + (line[1:, 0] - 9) * reach
    line += rng.normal(0, 1, (5, 3)) * ((3, 1.5, 4), (2, 1.5, 2), (3, 3, 4), (4, 3, 5), (5, 4, 6))
    line[2:, 2] += np.array([0.5 * bow, bow + 0.5 * lift, lift])
    line[2:4, 1] += max(0.0, float(rng.normal(2, 4)))
    girth = rng.uniform(0.8, 1.15) * rng.uniform(0.87, 1.13, 5)
    uncinate = moved(line[0], -19, -7, -13) + rng.normal(0, (4, 1.5, 5))
    fatty = float(np.clip(rng.beta(1.4, 2.6) * 0.8, 0.0, 0.5))
    line += place
    line[3:, 2] = np.clip(line[3:, 2], -20, 44)
    # The tail lies in front of the left kidney, or above it.
    line[3:, 1] = np.maximum(line[3:, 1], np.where(line[3:, 2] < 48, (2.0, -1.0), -16.0))
    return Pancreas(line, np.array([15.0, 10.0, 11.0, 10.5, 10.5]) * girth, uncinate + place, fatty)


def pancreas_layers(patient: Patient, plan: Pancreas) -> list[Layer]:
    """The gland, lobulated at 8 mm, streaked with fat, and its duct in some people."""
    rng = patient.rng("pancreas texture")
    gland = patient.tube(plan.line, plan.radii, step=6.0, stretch=(1.0, 0.9, 1.25))
    start = moved(plan.head, -2.0, -2.0, -6.0)
    hook = patient.tube([start, plan.uncinate], (float(plan.radii[0]) * 0.8, 5.0), step=7.0)
    whole = Joined((gland, hook), blend=8.0)
    low, high = whole.low - 6, whole.high + 6
    lobes = patient.field(rng, low, high, rng.uniform(6.5, 9.5))
    streaks = patient.field(rng, low, high, rng.uniform(4.0, 6.0))
    shape = Rough(whole, lobes, rng.uniform(0.8, 1.6))
    texture = Texture(streaks, 8 + 75 * plan.fatty, -160, 12)
    tone = patient.hu("pancreas", 10) - 30 * plan.fatty
    return [Layer(shape, (Band("pancreas", tone, 0.0, texture),))]
