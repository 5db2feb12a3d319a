from __future__ import annotations

import itertools
import json
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare import (
    Placement,
    TrainingGrid,
    labels_to_native,
    place,
    probabilities_to_native,
    to_training_grid,
)

SHAPE = (7, 10, 5)
ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))
SIZES = [None, (12, 13, 14), (4, 5, 3), (9, 4, 8), (7, None, 6)]


def oblique(order: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    """A random rotation of less than half a right angle off the given axes, random spacing and origin."""
    rng = np.random.default_rng(hash((order, signs)) % 2**32)
    affine = np.eye(4)
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    turn = Rotation.from_rotvec(rng.uniform(-0.25, 0.25, 3)).as_matrix()
    affine[:3, :3] = turn @ axes * rng.uniform(0.4, 6, 3)
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    return affine


def labels(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


def world(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """RAS mm of all voxel centres (X, Y, Z, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def voxels(affine: np.ndarray, places: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(affine)
    return places @ inverse[:3, :3].T + inverse[:3, 3]


def nearest(array: np.ndarray, affine: np.ndarray, target: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Value at the voxel centres of another grid, 0 outside; on the border of two voxels the upper one."""
    home = np.floor(voxels(affine, world(target, shape)) + 0.5 + 1e-9).astype(int)
    inside = ((home >= 0) & (home < array.shape)).all(axis=-1)
    x, y, z = home.clip(0, np.array(array.shape) - 1).transpose(3, 0, 1, 2)
    return np.where(inside, array[x, y, z], 0)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_orientation_is_that_of_nibabel(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = oblique(order, signs)
    array, placement = to_training_grid(labels(), affine, TrainingGrid(), order=0)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(labels(), affine))
    np.testing.assert_array_equal(array, np.asarray(canonical.dataobj))
    np.testing.assert_allclose(placement.affine, canonical.affine, atol=1e-9)
    assert array.flags.c_contiguous


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_round_trip_is_exact_inside_and_background_outside(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    native = np.maximum(labels(), 1)
    for size in SIZES:
        array, placement = to_training_grid(native, oblique(order, signs), TrainingGrid(size=size), order=0)
        asked = size or (None,) * 3
        assert array.shape == tuple(s or n for n, s in zip(placement.resampled, asked, strict=True))
        back = labels_to_native(array, placement)
        covered = back > 0
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back[covered], native[covered])
        assert covered.sum() == np.prod([min(a, b) for a, b in zip(array.shape, placement.resampled, strict=True)])
        few, one_hot = array % 5, np.eye(5, dtype=np.float32)[array % 5].transpose(3, 0, 1, 2)
        np.testing.assert_array_equal(probabilities_to_native(one_hot, placement), labels_to_native(few, placement))


@pytest.mark.parametrize("size", SIZES[1:-1])
def test_crop_and_pad_are_those_of_monai(size: tuple[int, int, int]) -> None:
    from monai.transforms import ResizeWithPadOrCrop

    for shape in (SHAPE, (8, 9, 6), (5, 12, 3)):
        array, _ = to_training_grid(labels(shape), np.eye(4), TrainingGrid(size=size), order=0)
        expected = ResizeWithPadOrCrop(size)(torch.from_numpy(labels(shape))[None])[0]
        np.testing.assert_array_equal(array, np.asarray(expected))


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS[::5])
@pytest.mark.parametrize("grid", [TrainingGrid((1.1, None, 2.3)), TrainingGrid((0.7, 3.1, 1.9), (5, 11, 6))])
def test_affine_says_where_resampled_voxels_are(
    order: tuple[int, ...], signs: tuple[int, ...], grid: TrainingGrid
) -> None:
    """A field that is linear in space is resampled exactly, except next to the edges, where it is held."""
    affine = oblique(order, signs)
    field = world(affine, SHAPE) @ [0.3, -0.5, 0.2] + 1
    array, placement = to_training_grid(field.astype(np.float32), affine, grid, order=1)
    places = world(placement.affine, array.shape)
    native = voxels(affine, places)
    inside = ((native >= 0) & (native <= np.array(SHAPE) - 1)).all(axis=-1)
    assert inside.any()
    np.testing.assert_allclose(array[inside], (places @ [0.3, -0.5, 0.2] + 1)[inside], atol=1e-3)


@pytest.mark.parametrize("spacing", [(0.5, 0.8, 1.0), (2.0, 1.5, 3.0), (None, 1.7, None)])
def test_resampling_is_that_of_scipy(spacing: tuple[float | None, ...]) -> None:
    image = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    array, placement = to_training_grid(image, np.eye(4), TrainingGrid(spacing), order=1)
    factors = np.divide(placement.resampled, SHAPE)
    expected = zoom(image, factors, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(array, expected, atol=1e-5)
    assert array.dtype == np.float32
    for n, m, new in zip(SHAPE, array.shape, spacing, strict=True):
        assert abs(m - n / (new or 1.0)) <= 0.5


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS[::5])
@pytest.mark.parametrize("grid", [TrainingGrid((1.3, 2.9, 0.83)), TrainingGrid((1.7, None, 3.7), (3, 12, 2))])
def test_labels_go_both_ways_by_nearest_voxel(
    order: tuple[int, ...], signs: tuple[int, ...], grid: TrainingGrid
) -> None:
    canonical = nib.as_closest_canonical(nib.Nifti1Image(labels(), oblique(order, signs)))
    native, affine = np.asarray(canonical.dataobj), canonical.affine
    array, placement = to_training_grid(labels(), oblique(order, signs), grid, order=0)
    np.testing.assert_array_equal(array, nearest(native, affine, placement.affine, array.shape))
    back = placement.oriented(labels_to_native(array, placement))
    np.testing.assert_array_equal(back, nearest(array, placement.affine, affine, native.shape))


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS[::7])
def test_probabilities_go_back_linearly_before_the_argmax(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = oblique(order, signs)
    placement = place(SHAPE, affine, TrainingGrid((1.7, 2.2, 3.1)))
    scores = np.random.default_rng(3).random((4, *placement.shape)).astype(np.float32)
    where = voxels(placement.affine, world(affine, SHAPE)).transpose(3, 0, 1, 2)
    expected = np.stack([map_coordinates(c.astype(np.float64), where, order=1, mode="nearest") for c in scores])
    best = np.sort(expected, axis=0)
    clear = best[-1] - best[-2] > 1e-5
    found = probabilities_to_native(scores, placement)
    np.testing.assert_array_equal(found[clear], expected.argmax(axis=0)[clear])
    one = probabilities_to_native(scores[:1], placement)
    np.testing.assert_array_equal(one, expected[0] >= 0.5)


def test_equal_probabilities_give_the_lowest_class() -> None:
    placement = place(SHAPE, np.eye(4), TrainingGrid())
    assert not probabilities_to_native(np.full((3, *SHAPE), 0.3), placement).any()


def test_tensors_of_any_float_type_are_taken() -> None:
    placement = place(SHAPE, np.diag([-1, 1, 1, 1.0]), TrainingGrid())
    scores = torch.rand((3, *SHAPE), generator=torch.Generator().manual_seed(0), requires_grad=True)
    expected = probabilities_to_native(scores.detach().numpy(), placement)
    np.testing.assert_array_equal(probabilities_to_native(scores, placement), expected)
    half = probabilities_to_native(scores.bfloat16(), placement)
    np.testing.assert_array_equal(half, probabilities_to_native(scores.bfloat16().float(), placement))
    np.testing.assert_array_equal(labels_to_native(scores.argmax(0), placement), expected)


@pytest.mark.parametrize(("order", "fill", "expected"), [(1, None, -7), (0, None, 0), (1, 5, 5)])
def test_padding(order: int, fill: float | None, expected: int) -> None:
    image = np.random.default_rng(0).integers(-7, 9, SHAPE).astype(np.int16)
    image[3, 3, 3] = -7
    array, placement = to_training_grid(image, np.eye(4), TrainingGrid(size=(9, 12, 8)), order=order, fill=fill)
    outside = np.ones(array.shape, bool)
    outside[placement.interior] = False
    assert (array[outside] == expected).all()
    np.testing.assert_array_equal(array[placement.interior], image)
    assert array.dtype == np.int16


def test_size_does_not_hang_on_the_rounding_of_headers() -> None:
    """51 slices of 2.5 mm are 25.5 slices of 5 mm: image and label must agree whatever their last digit says."""
    for error in (-1e-7, 0, 1e-7):
        assert place((5, 5, 51), np.diag([1, 1, 2.5 + error, 1]), TrainingGrid((None, None, 5))).shape == (5, 5, 26)


def test_placement_survives_json() -> None:
    placement = place(SHAPE, oblique((2, 0, 1), (1, -1, 1)), TrainingGrid((1.1, None, 2.0), (9, 4, 3)))
    assert Placement.from_json(json.loads(json.dumps(placement.to_json()))) == placement


def test_inputs_stay_as_they_were_and_results_are_new() -> None:
    native, affine = labels(), np.eye(4)
    array, placement = to_training_grid(native, affine, TrainingGrid(), order=0)
    array[...] = 0
    np.testing.assert_array_equal(native, labels())
    np.testing.assert_array_equal(affine, np.eye(4))
    kept = array.copy()
    labels_to_native(array, placement)[...] = 1
    np.testing.assert_array_equal(array, kept)


def peak(work: object, *args: object, **kwargs: object) -> int:
    tracemalloc.start()
    assert callable(work)
    result = work(*args, **kwargs)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del result
    return most


def test_little_memory_beside_the_result() -> None:
    shape, affine = (160, 160, 160), np.diag([-1, 1, 2.0, 1])
    image = np.zeros(shape, np.int16, order="F")
    assert peak(to_training_grid, image, affine, TrainingGrid(), order=1) < 1.1 * image.nbytes
    finer = TrainingGrid((None, None, 1.0))
    assert peak(to_training_grid, image, affine, finer, order=1) < 4 * 2 * image.size + 64e6
    placement = place(shape, affine, finer)
    scores = np.zeros((4, *placement.shape), np.float16)
    assert peak(probabilities_to_native, scores, placement) < image.size + 64e6


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.diag([1, 0, 1, 1.0]), np.diag([1, np.nan, 1, 1]), np.ones((4, 4)), np.diag([1, np.inf, 1, 1])],
)
def test_affines_that_cannot_be_used(affine: np.ndarray) -> None:
    with pytest.raises(PrepareError, match="finite and invertible"):
        place(SHAPE, affine, TrainingGrid())


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 1), (4, 0, 4)])
def test_only_three_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(PrepareError, match="three axes with voxels"):
        to_training_grid(np.zeros(shape), np.eye(4), TrainingGrid(), order=1)


@pytest.mark.parametrize(
    "wrong",
    [{"spacing": (1, 1)}, {"spacing": (1, -1, 1)}, {"spacing": "abc"}, {"size": (1, 2, 0)}, {"size": 5}],
)
def test_grids_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must have three positive entries"):
        TrainingGrid(**wrong)  # type: ignore[arg-type]


def test_lists_from_configurations_are_taken() -> None:
    assert TrainingGrid([1, None, 2], [4, 5, 6]) == TrainingGrid((1.0, None, 2.0), (4, 5, 6))  # type: ignore[arg-type]


def test_predictions_that_do_not_fit() -> None:
    placement = place(SHAPE, np.eye(4), TrainingGrid())
    with pytest.raises(PrepareError, match=r"Received: \(7, 10, 6\)"):
        labels_to_native(np.zeros((7, 10, 6), np.uint8), placement)
    with pytest.raises(PrepareError, match="Take the argmax first"):
        labels_to_native(np.zeros(SHAPE, np.float32), placement)
    with pytest.raises(PrepareError, match="int64 from 0 to 256"):
        labels_to_native(np.full(SHAPE, 256) * (np.arange(5) > 2), placement)
    with pytest.raises(PrepareError, match=r"\(C, X, Y, Z\)"):
        probabilities_to_native(np.zeros(SHAPE), placement)


def test_without_crop_small_volumes_are_padded_and_large_ones_stay_whole() -> None:
    grid = TrainingGrid(size=(12, 12, 12), crop=False)
    volume = np.arange(10 * 14 * 12, dtype=np.int32).reshape(10, 14, 12)
    placed, placement = to_training_grid(volume, np.diag([-1.0, 1.0, 2.0, 1.0]), grid, order=0)
    assert placed.shape == (12, 14, 12)
    labels = (volume % 200).astype(np.uint8)
    placed, placement = to_training_grid(labels, np.diag([-1.0, 1.0, 2.0, 1.0]), grid, order=0)
    np.testing.assert_array_equal(labels_to_native(placed, placement), labels)
