"""A small cohort of files with awkward names and grids, and schemes of plans, for all tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from atso_monai.cohort import Cohort, msd_cohort
from atso_monai.engine import Scheme

NAMES = ("a b", "a#b", "a%b", "$a", "ä_é", "a b c", "plain", "a#b%c$d", "x::y", "@脑")
SHAPE = (24, 28, 20)

Names = dict[str, Any]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Weights differ between thread counts, and several tests compare them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rotated(angle: float) -> np.ndarray:
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] *= (1.0, 1.2, 1.5)
    affine[:3, 3] = (5, -7, 11)
    return affine


def blob(number: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (int16) with a bright ellipsoid, and its label: 1 in one half of it, 2 in the other."""
    rng = np.random.default_rng(number)
    centre = np.array(SHAPE) / 2 + rng.uniform(-3, 3, 3)
    at = (np.indices(SHAPE).T - centre).T
    inside = ((at.T / (6, 7, 5)) ** 2).sum(-1).T < 1
    label = (inside * np.where(at[1] > 0, 2, 1)).astype(np.uint8)
    image = 100 * inside + 40 * label + rng.normal(0, 10, SHAPE)
    return image.astype(np.int16), label


def on_grid(number: int, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An array on one of three kinds of grid: LPS axes, oblique, permuted."""
    if number % 3 == 0:
        return array, np.diag([-1.5, -1.0, 2.0, 1.0])
    if number % 3 == 1:
        return array, rotated(0.2)
    affine = np.array([[0, 1.3, 0, 4], [0, 0, -1.1, 2], [2.0, 0, 0, -9], [0, 0, 0, 1]])
    return array.transpose(2, 0, 1), affine


def write_dataset(folder: Path) -> Path:
    """A Decathlon task folder of ten cases."""
    training = []
    for number, name in enumerate(NAMES):
        entry = {}
        for key, array in zip(("image", "label"), blob(number), strict=True):
            file = folder / f"{key}s # 50%" / f"{name}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(*on_grid(number, array)), file)
            entry[key] = f"./{file.parent.name}/{file.name}"
        training.append(entry)
    content = {"name": "tiny", "labels": {"0": "background", "1": "front", "2": "back"}, "training": training}
    (folder / "dataset.json").write_text(json.dumps({**content, "test": []}), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Decathlon task folder whose own name is awkward; never changed by a test."""
    return write_dataset(tmp_path_factory.mktemp("data") / "Täsk #1 100% $HOME")


@pytest.fixture
def new_dataset(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return write_dataset(tmp_path / "own data #2")


ROLES = {"labelled": 3, "reference": 4, "test": 3, "seed": 1}


def cohort_of(folder: Path, **changes: Any) -> Cohort:
    return msd_cohort(folder, **{**ROLES, **changes})


@pytest.fixture(scope="session")
def make_cohort() -> Callable[..., Cohort]:
    """The cohort of a task folder: 3 labelled, 4 reference and 3 test cases in two folds."""
    return cohort_of


@pytest.fixture(scope="session")
def cohort(dataset_dir: Path) -> Cohort:
    return cohort_of(dataset_dir)


@pytest.fixture(scope="session")
def small() -> Names:
    """Engine settings of a run of seconds."""
    return {
        "generations": 1,
        "epochs": {"first": 1, "later": 1},
        "views": ["axial", "sagittal"],
        "overrides": {"train": {"epoch_length": 2, "batch_size": 4, "size": [24, 32, 24]}},
        "executor": "inline",
    }


SCHEME = Scheme(
    strategy="atso", compare=(), views=("axial", "sagittal"), folds=2, generations=2, first_epochs=3, later_epochs=4
)


@pytest.fixture(scope="session")
def scheme() -> Callable[..., Scheme]:
    """A scheme with some of its values changed."""

    def make(**changes: Any) -> Scheme:
        return replace(SCHEME, **changes)

    return make
