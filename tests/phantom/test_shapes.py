from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atso_monai.phantom.field import SmoothField
from atso_monai.phantom.grid import sample_grid
from atso_monai.phantom.layers import Band, Canvas, Layer
from atso_monai.phantom.patient import draw_patient, spline
from atso_monai.phantom.shapes import REACH, Ellipsoid, Half, Tube
from atso_monai.phantom.solids import Common, Inset, Joined, Outside, smooth_min

GRID = sample_grid((24, 22, 20), (2.0, 2.0, 3.0))
PLACES = np.stack(np.meshgrid(GRID.x, GRID.y, GRID.z, indexing="ij"), -1).astype(float)


def test_grid_is_centred_and_its_samples_fill_the_voxels() -> None:
    coarse, fine = sample_grid((4, 4, 4), (2, 2, 6)), sample_grid((4, 4, 4), (2, 2, 6), (1, 1, 2))
    np.testing.assert_allclose(coarse.z, [-9, -3, 3, 9])
    np.testing.assert_allclose(fine.z.reshape(4, 2).mean(1), coarse.z)
    assert fine.edge == pytest.approx((2 * 2 * 3) ** (1 / 3))


def test_a_tube_is_as_far_as_its_nearest_cone_by_brute_force() -> None:
    points, radii = np.array([[-12.0, 0, 3], [4, 6, -5], [14, -8, 8]]), np.array([3.0, 6.0, 2.0])
    t = np.linspace(0, 1, 2001)[:, None]
    true = np.full(GRID.shape, np.inf)
    for i in range(2):
        along = points[i] * (1 - t) + points[i + 1] * t
        axis, length2 = points[i + 1] - points[i], ((points[i + 1] - points[i]) ** 2).sum()
        share = np.clip((PLACES - points[i]) @ axis / length2, 0, 1)
        gap = np.linalg.norm(PLACES - along[np.rint(share * 2000).astype(int)], axis=-1)
        true = np.minimum(true, gap - radii[i] - share * (radii[i + 1] - radii[i]))
    found = Tube(points, radii).distance(GRID)
    near = true < REACH - 0.5
    np.testing.assert_allclose(found[near], true[near], atol=0.05)
    assert (found[~near] > REACH - 1).all()


def test_pieces_of_a_tube_are_the_tube() -> None:
    line = np.cumsum(np.random.default_rng(0).normal(0, 4, (12, 3)), axis=0)
    tube = Tube(line, np.full(12, 2.0))
    parts = [piece.distance(GRID) for piece in tube.pieces(3)]
    np.testing.assert_array_equal(np.minimum.reduce(parts), tube.distance(GRID))


def test_an_ellipsoid_has_its_volume_and_box_however_it_is_turned() -> None:
    semi = np.array([18.0, 9.0, 12.0])
    turn = Rotation.from_euler("xyz", (30, 20, 50), degrees=True).as_matrix()
    shape = Ellipsoid(np.array([1.0, 0, 0]), semi, turn)
    inside = shape.distance(GRID) < 0
    assert inside.sum() * 12.0 == pytest.approx(4 / 3 * np.pi * semi.prod(), rel=0.03)
    places = PLACES[inside]
    assert (places >= shape.low).all() and (places <= shape.high).all()
    assert (places.min(0) < shape.low + 4).all() and (places.max(0) > shape.high - 4).all()


def test_solids_combine_as_sets() -> None:
    ball = Ellipsoid(np.array([-4.0, 0, 0]), np.full(3, 10.0), np.eye(3))
    other = Ellipsoid(np.array([6.0, 0, 0]), np.full(3, 8.0), np.eye(3))
    a, b = ball.distance(GRID) < 0, other.distance(GRID) < 0
    np.testing.assert_array_equal(Joined((ball, other), 0.0).distance(GRID) < 0, a | b)
    np.testing.assert_array_equal(Common((ball, other), 0.0).distance(GRID) < 0, a & b)
    np.testing.assert_array_equal(Common((ball, Outside(other)), 0.0).distance(GRID) < 0, a & ~b)
    np.testing.assert_allclose(Inset(ball, 2.0).distance(GRID), ball.distance(GRID) + 2)
    assert ((Joined((ball, other), 6.0).distance(GRID) < 0) >= (a | b)).all()
    front = Half(np.zeros(3), np.array([0.0, -1.0, 0.0]))
    np.testing.assert_array_equal(np.broadcast_to(front.distance(GRID) < 0, GRID.shape), PLACES[..., 1] > 0)


def test_smooth_min_is_the_minimum_away_from_the_seam() -> None:
    a, b = np.array([0.0, 1.0, 9.0], np.float32), np.array([9.0, 1.0, 0.0], np.float32)
    np.testing.assert_allclose(smooth_min(a, b, 4.0), [0, 0, 0])
    np.testing.assert_allclose(smooth_min(a, b, 0.0), [0, 1, 0])


def test_a_field_is_standard_normal_smooth_and_the_same_on_any_grid() -> None:
    field = SmoothField.draw(np.random.default_rng(0), np.full(3, -60.0), np.full(3, 60.0), 6.0)
    fine = sample_grid((90, 90, 90), (1.0, 1.0, 1.0))
    values = field.on(fine)
    assert abs(values.mean()) < 0.1 and values.std() == pytest.approx(1, abs=0.1)
    assert np.abs(np.diff(values, axis=0)).max() < 1.0
    np.testing.assert_allclose(
        field.on(fine.cut((slice(10, 20), slice(0, 3), slice(80, 90)))), values[10:20, :3, 80:], atol=1e-5
    )
    assert (field.on(sample_grid((3, 3, 3), (400.0, 400.0, 400.0)))[0] == 0).all()


def test_paint_blends_by_share_and_covers_what_was_there() -> None:
    canvas = Canvas.blank(GRID)
    ball = Ellipsoid(np.zeros(3), np.full(3, 15.0), np.eye(3))
    canvas.paint([Layer(ball, (Band("pancreas", 100.0),))])
    volume = 4 / 3 * np.pi * 15**3
    assert canvas.pancreas.sum() * 12 == pytest.approx(volume, rel=0.02)
    np.testing.assert_allclose(canvas.hu, -1000 + 1100 * canvas.pancreas, atol=0.01)
    core = Ellipsoid(np.zeros(3), np.full(3, 8.0), np.eye(3))
    canvas.paint([Layer(core, (Band("gas", -900.0),))])
    assert canvas.pancreas.sum() * 12 == pytest.approx(volume - 4 / 3 * np.pi * 8**3, rel=0.03)
    assert canvas.hu[12, 11, 10] == pytest.approx(-900)


def test_a_spline_passes_through_its_points_and_keeps_the_radii_in_range() -> None:
    points = np.array([[0, 0, 0, 3], [10, 5, 0, 8], [20, 0, 5, 2], [30, -5, 5, 4.0]])
    line = spline(points, 0.25)
    for point in points:
        assert np.linalg.norm(line[:, :3] - point[:3], axis=1).min() < 0.2
    assert line[:, 3].min() >= 2 and line[:, 3].max() <= 8
    assert np.linalg.norm(np.diff(line[:, :3], axis=0), axis=1).max() < 0.6
    np.testing.assert_allclose(spline(points[:2], 100.0), points[:2])


def test_body_parts_draw_independently_and_ranges_do_not_move_organs() -> None:
    one = draw_patient(7, phase=(1, 1), size=(1, 1), fat=(5, 5))
    two = draw_patient(7, phase=(0, 2), size=(1, 1), fat=(5, 30))
    np.testing.assert_array_equal(one.place([(10, 20, 30)]), two.place([(10, 20, 30)]))
    assert one.rng("liver").random() == two.rng("liver").random() != one.rng("spleen").random()
