from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from atso_monai.review.evidence import LEAST_SPREAD, Shape, expected, shapes


def save(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (1, 2, 3)) -> Path:
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.diag([*spacing, 1])), path)
    return path


def test_volume_and_pieces_are_those_of_scipy(tmp_path: Path) -> None:
    labels = (np.random.default_rng(0).random((15, 16, 17)) < 0.04).astype(np.uint8)
    labels[3:9, 3:9, 3:9] = 2
    found = shapes(save(tmp_path / "a.nii.gz", labels), [1, 2])
    for value in (1, 2):
        parts, count = ndimage.label(labels == value, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert found[value].pieces == count
        assert found[value].millilitres == pytest.approx(sizes.sum() * 6 / 1000)
        assert found[value].outside == pytest.approx(1 - sizes.max() / sizes.sum())


def test_absent_and_single_voxel_classes(tmp_path: Path) -> None:
    labels = np.zeros((4, 4, 4))
    labels[0, 0, 0] = 1
    found = shapes(save(tmp_path / "a.nii.gz", labels), [1, 2])
    assert found == {1: Shape(0.006, 1, 0.0), 2: Shape(0.0, 0, 0.0)}


def test_a_label_map_is_applied(tmp_path: Path) -> None:
    labels = np.zeros((4, 4, 4))
    labels[0, 0, 0], labels[2, 2, 2] = 7, 5
    found = shapes(save(tmp_path / "a.nii.gz", labels), [1], {7: 1, 5: 0})
    assert found[1].millilitres == pytest.approx(0.006)


def test_what_labelled_cases_say() -> None:
    found = expected([Shape(10, 1, 0), Shape(40, 2, 0.1), Shape(0, 0, 0)])
    assert (found.cases, found.present, found.smallest, found.largest, found.pieces) == (3, 2, 10, 40, 2)
    assert math.exp(found.centre) == pytest.approx(20)
    assert expected([Shape(10, 1, 0)]).spread == LEAST_SPREAD
    assert expected([Shape(0, 0, 0)]).present == 0
