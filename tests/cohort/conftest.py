from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Case, Cohort

SHAPE = (6, 5, 4)
AFFINE = np.array([[-1.5, 0, 0, 7], [0, 1.5, 0, -3], [0, 0, 3.0, 11], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def image_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(0, 100, SHAPE).astype(np.float32)


def label_of(number: int) -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    label[number % 3 : number % 3 + 2, 1:3, 1:3] = 1
    label[3, 3, 3] = 2
    return label


@pytest.fixture
def save_volume() -> Callable[..., Path]:
    return save


@pytest.fixture
def sound(tmp_path: Path) -> Cohort:
    """Two labelled, four reference (one without truth) and two test cases in two folds, all as they should be."""
    cases = []
    for n in range(8):
        image = save(tmp_path / "images" / f"case_{n}.nii.gz", image_of(n))
        cases.append(Case(f"case_{n}", image, label=save(tmp_path / "labels" / f"case_{n}.nii.gz", label_of(n))))
    return Cohort(
        name="made up",
        labels={0: "background", 1: "liver", 2: "tumour"},
        labelled=tuple(cases[:2]),
        reference=(*(case.as_reference() for case in cases[2:5]), cases[5].bare()),
        test=tuple(cases[6:]),
        folds=(("case_2", "case_4"), ("case_3", "case_5")),
    )
