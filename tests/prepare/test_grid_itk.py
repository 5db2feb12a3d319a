"""Slice distances of MSD pancreas (0.7 to 7.5 mm) onto one distance and back, against ITK's resampling."""

from __future__ import annotations

from typing import Any

import itk
import numpy as np
import pytest

from atso_monai.prepare.grid import TrainingGrid, labels_to_native, probabilities_to_native, to_training_grid

WANTED = 2.0
DISTANCES = (0.7, 0.8, 1.25, 2.5, 5.0, 7.5)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def stored(distance: float, order: tuple[int, int, int], signs: tuple[int, int, int]) -> np.ndarray:
    """Affine of a file whose long axis has ``distance``, with axes in ``order`` and ``signs`` of RAS."""
    affine = np.zeros((4, 4))
    for native, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[axis, native] = sign * (distance if axis == 2 else (0.8, 0.9)[axis])
    affine[:, 3] = (-31.5, 12.25, 240.0, 1)
    return affine


def ball(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Distance in mm to the middle of the volume, 60 mm and more cut off."""
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    return np.minimum(np.linalg.norm(points - middle, axis=-1), 60).astype(np.float32)


def as_itk(array: np.ndarray, affine: np.ndarray) -> Any:
    image = itk.image_from_array(np.ascontiguousarray(array.transpose(2, 1, 0)))
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing([float(v) for v in spacing])
    image.SetOrigin([float(v) for v in lps[:3, 3]])
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
    return image


def resampled(array: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], to: np.ndarray, kind: str) -> np.ndarray:
    """``array`` on another grid by ITK; NaN where it has no value."""
    moving, fixed = as_itk(array.astype(np.float32), affine), as_itk(np.zeros(shape, np.float32), to)
    name = {"linear": itk.LinearInterpolateImageFunction, "nearest": itk.NearestNeighborInterpolateImageFunction}[kind]
    interpolator = name[type(moving), itk.D].New()
    out = itk.resample_image_filter(
        moving, reference_image=fixed, use_reference_image=True, interpolator=interpolator, default_pixel_value=np.nan
    )
    return np.asarray(itk.array_from_image(out).transpose(2, 1, 0))


CASES = [(d, (0, 1, 2), (1, 1, 1)) for d in DISTANCES] + [(7.5, (0, 1, 2), (-1, 1, 1)), (0.7, (2, 0, 1), (-1, 1, -1))]


@pytest.fixture(params=CASES, ids=str)
def scan(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    distance, order, signs = request.param
    size = (26, 22, max(5, round(75 / distance)))
    affine = stored(distance, order, signs)
    return ball(tuple(size[axis] for axis in order), affine), affine


def test_images_lie_where_itk_puts_them(scan: tuple[np.ndarray, np.ndarray]) -> None:
    array, affine = scan
    out, placement = to_training_grid(array, affine, TrainingGrid(spacing=(None, None, WANTED)), order=1)
    extent = [n * np.linalg.norm(placement.affine[:3, axis]) for axis, n in enumerate(out.shape)]
    native = [n * np.linalg.norm(affine[:3, axis]) for axis, n in enumerate(array.shape)]
    assert np.allclose(sorted(extent), sorted(native))
    assert abs(np.linalg.norm(placement.affine[:3, 2]) - WANTED) <= WANTED / 2 / (out.shape[2] - 1) + 1e-9
    expected = resampled(array, affine, out.shape, placement.affine, "linear")
    known = np.isfinite(expected)
    assert known.mean() > 0.75
    assert np.abs(out - expected)[known].max() < 1e-3


def test_labels_and_probabilities_come_back_where_itk_puts_them(scan: tuple[np.ndarray, np.ndarray]) -> None:
    array, affine = scan
    out, placement = to_training_grid(array, affine, TrainingGrid(spacing=(None, None, WANTED)), order=1)
    label = (out < 9).astype(np.uint8)
    nearest = resampled(label, placement.affine, array.shape, affine, "nearest")
    ways = np.linalg.inv(placement.affine) @ affine
    index = np.moveaxis(np.indices(array.shape), 0, -1) @ ways[:3, :3].T + ways[:3, 3]
    between = (np.abs(index - np.floor(index) - 0.5) < 1e-3).any(axis=-1)  # two voxels are equally near
    compared = np.isfinite(nearest) & ~between
    assert compared.mean() > 0.4
    assert np.array_equal(labels_to_native(label, placement)[compared], nearest[compared])
    score = np.clip((15 - out) / 12, 0, 1).astype(np.float32)
    back = probabilities_to_native(score[None], placement)
    expected = resampled(score, placement.affine, array.shape, affine, "linear")
    compared = np.isfinite(expected) & (np.abs(expected - 0.5) > 1e-4)
    assert np.array_equal(back[compared], expected[compared] >= 0.5)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_ball_stays_a_ball_of_the_same_place_and_size(distance: float) -> None:
    shape, affine = (40, 40, max(8, round(45 / distance))), np.diag([1.0, 1.0, distance, 1.0])
    truth = (ball(shape, affine) < 15).astype(np.uint8)
    label, placement = to_training_grid(truth, affine, TrainingGrid(spacing=(None, None, WANTED)), order=0)
    there, middle = centre(label, placement.affine), centre(truth, affine)
    assert np.allclose(there, middle, atol=WANTED / 2)
    volumes = [v.sum() * abs(np.linalg.det(a[:3, :3])) for v, a in ((label, placement.affine), (truth, affine))]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.12)
    back = labels_to_native(label, placement)
    overlap = 2 * (back & truth).sum() / (back.sum() + truth.sum())
    assert back.shape == truth.shape and overlap > (0.93 if distance < WANTED else 0.999)


def centre(label: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.asarray(affine[:3, :3] @ np.argwhere(label).mean(axis=0) + affine[:3, 3])
