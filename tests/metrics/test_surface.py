"""Surface distances against brute force, distance transforms and MONAI."""

from __future__ import annotations

from math import inf, isnan

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy.ndimage import distance_transform_edt, gaussian_filter

from atso_monai.metrics import class_surface_distances, surface_distances
from atso_monai.metrics.surface import foreground_surface_distances

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (3.0, 0.5, 1.25)]


def blob(seed: int, shape: tuple[int, int, int] = (11, 13, 9)) -> np.ndarray:
    """A smooth mask that may have several pieces, holes, and voxels at the edge of the volume."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return noise > np.quantile(noise, 0.8)


def surface_by_hand(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Voxels with one of six neighbours outside of the mask or of the volume, one by one."""
    found = []
    for voxel in np.argwhere(mask):
        for axis in range(3):
            for step in (-1, 1):
                other = voxel.copy()
                other[axis] += step
                inside = 0 <= other[axis] < mask.shape[axis]
                if not inside or not mask[tuple(other)]:
                    found.append(tuple(int(v) for v in voxel))
    return list(dict.fromkeys(found))


def by_hand(one: np.ndarray, other: np.ndarray, affine: np.ndarray) -> tuple[float, float]:
    """HD95 and ASSD from all pairs of surface voxels in the world."""
    left, right = (np.array(surface_by_hand(m)) @ affine[:3, :3].T + affine[:3, 3] for m in (one, other))
    apart = np.linalg.norm(left[:, None] - right[None], axis=2)
    there, back = apart.min(1), apart.min(0)
    return max(np.quantile(there, 0.95), np.quantile(back, 0.95)), float(np.concatenate([there, back]).mean())


def both(found: object) -> tuple[float, float]:
    return found.hd95, found.assd  # type: ignore[attr-defined]


AFFINES = {
    "anisotropic": np.diag([0.7, -0.9, 5.0, 1.0]),
    "turned": np.array([[0.8, -0.6, 0, 9], [0.6, 0.8, 0, -3], [0, 0, 1, 7], [0, 0, 0, 1]]) @ np.diag([0.7, 0.9, 5, 1]),
    "sheared": np.array([[1, 0, 0.4, 0], [0, 1, -0.3, 5], [0.2, 0, 2.5, 0], [0, 0, 0, 1.0]]),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_pairs_of_surface_voxels(affine: np.ndarray, seed: int) -> None:
    one, other = blob(seed), blob(seed + 100)
    assert both(surface_distances(one, other, affine)) == pytest.approx(by_hand(one, other, affine), abs=1e-9)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_monai_and_distance_transforms_say_the_same(spacing: tuple[float, float, float]) -> None:
    for seed in range(4):
        one, other = blob(seed, (20, 17, 12)), blob(seed + 50, (20, 17, 12))
        found = surface_distances(one, other, np.diag([*spacing, 1.0]))
        masks = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
        options = {"include_background": True, "spacing": list(spacing)}
        assert found.hd95 == pytest.approx(
            float(compute_hausdorff_distance(*masks, percentile=95, **options)), rel=1e-5
        )
        assert found.assd == pytest.approx(
            float(compute_average_surface_distance(*masks, symmetric=True, **options)), rel=1e-5
        )
        edges = [np.zeros_like(mask) for mask in (one, other)]
        for edge, mask in zip(edges, (one, other), strict=True):
            edge[tuple(np.array(surface_by_hand(mask)).T)] = True
        there, back = (distance_transform_edt(~to, sampling=spacing)[of] for of, to in (edges, edges[::-1]))
        assert found.assd == pytest.approx(np.concatenate([there, back]).mean())
        assert found.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))


def test_two_voxels_are_as_far_apart_as_the_spacing_says() -> None:
    one, other = np.zeros((5, 5, 5), bool), np.zeros((5, 5, 5), bool)
    one[1, 1, 1], other[2, 3, 4] = True, True
    expected = float(np.linalg.norm([0.7, 2 * 0.7, 3 * 5.0]))
    assert both(surface_distances(one, other, np.diag([0.7, 0.7, 5, 1]))) == pytest.approx((expected, expected))


def test_five_of_a_hundred_outliers_do_not_count() -> None:
    """A flat truth, and a prediction with a far spike: HD95 leaves it out, the mean does not."""
    truth = np.zeros((20, 20, 30), bool)
    truth[:, :, :3] = True
    prediction = truth.copy()
    prediction[10, 10, 3:25] = True
    found = surface_distances(prediction, truth, np.eye(4))
    assert found.hd95 == 0
    assert 0 < found.assd < 0.5


def test_both_sides_count_alike_and_places_do_not() -> None:
    affine = np.diag([0.7, 0.7, 3.0, 1.0])
    one, other = blob(5), blob(6)
    found = both(surface_distances(one, other, affine))
    assert both(surface_distances(other, one, affine)) == pytest.approx(found)
    moved = affine + np.array([[0, 0, 0, 100.0]] * 3 + [[0] * 4])
    assert both(surface_distances(one, other, moved)) == pytest.approx(found)
    turned = surface_distances(one.transpose(2, 0, 1), other.transpose(2, 0, 1), affine[:, [2, 0, 1, 3]])
    assert both(turned) == pytest.approx(found)
    assert both(surface_distances(one, one, affine)) == (0, 0)


def test_without_a_surface_there_is_no_distance() -> None:
    empty, full = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    assert both(surface_distances(empty, full, np.eye(4))) == (inf, inf)
    assert both(surface_distances(full, empty, np.eye(4))) == (inf, inf)
    assert all(isnan(value) for value in both(surface_distances(empty, empty, np.eye(4))))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16])
def test_each_class_in_its_box_is_as_in_the_whole_volume(dtype: type) -> None:
    affine = np.diag([0.7, 0.7, 5.0, 1.0])
    one, other = np.zeros((30, 30, 20), dtype), np.zeros((30, 30, 20), dtype)
    for value, place in ((1, (2, 3, 4)), (3, (12, 15, 8))):  # class 2 is on neither side, class 4 on one
        for labels, seed in ((one, value), (other, value + 10)):
            labels[place[0] : place[0] + 11, place[1] : place[1] + 13, place[2] : place[2] + 9][blob(seed)] = value
    other[29, 29, 19], one[0, 0, 0] = 4, 200  # a value that is no class of these
    one = np.asfortranarray(one)  # as files are read
    before = one.copy(), other.copy()
    found = class_surface_distances(one, other, [1, 2, 3, 4], affine)
    for value in (1, 3):
        assert found[value] == surface_distances(one == value, other == value, affine)
    assert isnan(found[2].hd95) and found[4].assd == inf
    assert foreground_surface_distances(one, other, affine) == surface_distances(one > 0, other > 0, affine)
    np.testing.assert_array_equal(one, before[0])
    np.testing.assert_array_equal(other, before[1])


@pytest.mark.parametrize("shape", [(3, 3, 2), (3, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    labels = np.ones(shape, np.uint8)
    for other in (np.ones((3, 3, 3), np.uint8), labels[:2]):
        with pytest.raises(ValueError, match="must be volumes"):
            class_surface_distances(labels, other, [1], np.eye(4))
        with pytest.raises(ValueError, match="must be volumes"):
            surface_distances(labels > 0, other > 0, np.eye(4))
