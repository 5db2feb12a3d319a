"""One person: size, fatness, posture, a way of being crooked, and contrast phase; everything is placed through it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.shapes import Ellipsoid, Points, Tube
from atso_monai.phantom.tissue import hounsfield

Line = Sequence[Sequence[float] | Points] | Points

# The reference patient: origin between the first and second lumbar vertebra, in the middle of the body; x to the
# patient's right, y to the front, z to the head, all in mm. Organs are written down in this frame.


@dataclass(frozen=True)
class Patient:
    """A person, drawn by :func:`draw_patient`.

    Attributes:
        seed: what all of the person's randomness comes from.
        phase: of the contrast medium, 0 none, 1 arterial, 2 portal venous.
        size: factor on all lengths.
        fat: subcutaneous fat in mm at the belly.
        turn: (3, 3) rotation from the reference frame to the scanner.
        shift: (3,) mm, then added.
        waves: (W, 3, 3): rows wave vector (1/mm), amplitude (mm) and phase of the smooth warp.
    """

    seed: int
    phase: float
    size: float
    fat: float
    turn: Points
    shift: Points
    waves: Points

    def rng(self, part: str) -> np.random.Generator:
        """The generator of one body part, so that no part's draws move another's."""
        return part_rng(self.seed, part)

    def place(self, points: Line) -> Points:
        """Points (N, 3) of the reference frame, warped and brought into the scanner."""
        p = np.atleast_2d(np.asarray(points, float))
        for vector, amplitude, offset in self.waves:
            p = p + amplitude * np.sin((p @ vector)[:, None] + offset)
        result: Points = self.size * p @ self.turn.T + self.shift
        return result

    def tube(
        self,
        points: Line,
        radii: float | Sequence[float] | Points,
        *,
        step: float = 8.0,
        stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Tube:
        """A tube along a spline through ``points`` with pieces of about ``step`` mm; ``radii`` one or one a point."""
        control = np.asarray(points, float)
        width = np.broadcast_to(np.asarray(radii, float), len(control))
        line = spline(np.column_stack([control, width]), step)
        return Tube(self.place(line[:, :3]), self.size * line[:, 3], stretch)

    def ellipsoid(
        self, centre: Sequence[float] | Points, semi: Sequence[float], degrees: Sequence[float] = (0.0, 0.0, 0.0)
    ) -> Ellipsoid:
        """An ellipsoid, turned about x, y and z by ``degrees``."""
        own = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        return Ellipsoid(self.place([centre])[0], self.size * np.asarray(semi, float), self.turn @ own)

    def field(self, rng: np.random.Generator, low: Points, high: Points, scale: float) -> SmoothField:
        """A smooth random field over a box of the scanner's frame, ``scale`` in mm of the reference patient.

        Takes one number from ``rng`` whatever the box is, so that a larger person has the same organs.
        """
        return SmoothField.draw(np.random.default_rng(rng.integers(2**62)), low, high, self.size * scale)

    def hu(self, tissue: str, spread: float = 0.0) -> float:
        """CT value of ``tissue`` in this person; ``spread`` is the standard deviation between people in HU."""
        return hounsfield(tissue, self.phase) + spread * float(self.rng("hu " + tissue).normal())


def moved(points: Points, x: float, y: float, z: float) -> Points:
    """``points`` (..., 3) moved by mm towards right, front and head."""
    result: Points = points + np.array([x, y, z])
    return result


def part_rng(seed: int, part: str) -> np.random.Generator:
    """Generator for ``part`` of the case ``seed``; other parts never share a stream with it."""
    return np.random.default_rng([zlib.crc32(part.encode()), seed])


def draw_patient(
    seed: int, *, phase: tuple[float, float], size: tuple[float, float], fat: tuple[float, float]
) -> Patient:
    """Draw a person; each range is uniform. The same seed gives the same bones and organs whatever the ranges are."""
    rng = part_rng(seed, "patient")
    share = rng.random(3)
    turn = Rotation.from_euler("xyz", rng.normal(0, (1.5, 1.0, 2.0)), degrees=True).as_matrix()
    shift = rng.normal(0, (3.0, 3.0, 4.0))
    return Patient(
        seed=seed,
        phase=_pick(phase, share[0]),
        size=_pick(size, share[1]),
        fat=_pick(fat, share[2]),
        turn=turn,
        shift=shift,
        waves=_draw_waves(rng),
    )


def spline(points: Points, step: float) -> Points:
    """Points (M, C) about ``step`` mm apart on a smooth curve through ``points`` (N, C), C at least 3.

    Cubic Hermite pieces with the slopes of the parabola through three neighbours; the first three columns are a place
    in mm, the others (radii) are carried along and kept within the range of the given ones.
    """
    length = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(np.maximum(length, 1e-3))])
    slopes = np.gradient(points, knots, axis=0)
    where = np.linspace(0, knots[-1], max(2, round(knots[-1] / step) + 1))
    piece = np.clip(np.searchsorted(knots, where, side="right") - 1, 0, len(points) - 2)
    gap = np.diff(knots)[piece, None]
    t = (where - knots[piece])[:, None] / gap
    ends = points[piece] * (1 - t) ** 2 * (1 + 2 * t) + points[piece + 1] * t**2 * (3 - 2 * t)
    curve: Points = ends + gap * (slopes[piece] * t * (1 - t) ** 2 - slopes[piece + 1] * t**2 * (1 - t))
    curve[:, 3:] = np.clip(curve[:, 3:], points[:, 3:].min(0), points[:, 3:].max(0))
    return curve


def _pick(limits: tuple[float, float], share: float) -> float:
    return float(limits[0] + (limits[1] - limits[0]) * share)


def _draw_waves(rng: np.random.Generator, count: int = 5) -> Points:
    """Waves of 180 to 350 mm that move any place by a few mm."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    vector = direction * (2 * np.pi / rng.uniform(180, 350, (count, 1)))
    return np.stack([vector, rng.normal(0, 2.2, (count, 3)), rng.uniform(0, 2 * np.pi, (count, 3))], axis=1)
