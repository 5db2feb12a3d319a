"""Sketches: the same for crops, shifts and other files of one scan; nothing in common between scans."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from atso_monai._volume_sketch import SIZE, sketch
from atso_monai.phantom import phantom_case
from atso_monai.volume_file import read_volume

DATA = Path(__file__).parents[2] / "shared" / "data"
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    return phantom_case(0, shape=(64, 64, 20)).image


def moved(volume: np.ndarray) -> np.ndarray:
    out = np.full_like(volume, -1024)
    out[5:, :-4] = volume[:-5, 4:]
    return out


SAME: dict[str, tuple[Change, float]] = {
    "fewer slices": (lambda v: v[..., 3:-4], 0.5),
    "smaller field of view": (lambda v: v[6:-3, 4:-8], 0.5),
    "moved": (moved, 0.7),
    "calibrated": (lambda v: v + 1024, 1.0),
    "as float": (lambda v: v.astype(np.float64), 1.0),
    "Fortran order": (np.asfortranarray, 1.0),
    "big-endian": (lambda v: v.astype(">i2"), 1.0),
}


@pytest.mark.parametrize("name", SAME)
def test_a_crop_is_known_again(scan: np.ndarray, name: str) -> None:
    change, share = SAME[name]
    first, other = sketch(scan, AFFINE), sketch(change(scan), AFFINE)
    assert len(first) == len(set(first)) == SIZE and list(first) == sorted(first)
    assert len({*first} & {*other}) >= share * SIZE


def test_another_orientation_of_the_file_changes_nothing(scan: np.ndarray) -> None:
    stored = scan.transpose(1, 2, 0)[:, ::-1]  # stored axes: A, I, R
    affine = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, scan.shape[2] - 1], [0, 0, 0, 1.0]])
    assert sketch(stored, affine) == sketch(scan, np.eye(4))


def test_people_have_nothing_in_common() -> None:
    sketches = [set(sketch(phantom_case(seed, shape=(48, 48, 16)).image, AFFINE)) for seed in range(4)]
    assert not any(one & other for one, other in combinations(sketches, 2))


@pytest.mark.parametrize(
    "volume",
    [np.zeros((9, 9, 9)), np.zeros((2, 3, 9)), np.zeros((9, 9, 9, 2)), np.indices((9, 9, 9))[0], np.zeros((0, 9, 9))],
)
def test_air_labels_and_slivers_have_no_sketch(volume: np.ndarray) -> None:
    assert sketch(volume, AFFINE) == ()


def test_an_affine_without_sense_does_not_stop_it(scan: np.ndarray) -> None:
    assert sketch(scan, np.zeros((4, 4))) and sketch(scan, np.full((4, 4), np.nan))


def test_real_scans() -> None:
    folder = DATA / "ct_example"
    if not folder.is_dir():
        pytest.skip(f"no real CT in {folder}")
    whole, part = (set(sketch(*read_volume(folder / name))) for name in ("example_ct.nii.gz", "example_ct_sm.nii.gz"))
    assert len(whole & part) > 100  # its lower 30 of 112 slices
    assert not whole & set(sketch(*read_volume(folder / "dicom")))


def test_hippocampi_of_different_people() -> None:
    files = sorted((DATA / "Task04_Hippocampus" / "imagesTr").glob("hippocampus_*.nii.gz"))[::6]
    if not files:
        pytest.skip(f"no hippocampus data in {DATA}")
    sketches = [set(sketch(*read_volume(file))) for file in files]
    assert min(map(len, sketches)) > 200
    assert not any(one & other for one, other in combinations(sketches, 2))
