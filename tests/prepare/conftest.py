from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

Save = Callable[..., str]
Cohort = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write an array as NIfTI under the test's folder; gives the path."""

    def write(name: str, array: np.ndarray, affine: np.ndarray | None = None) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return str(path)

    return write


@pytest.fixture
def cohort(save: Save) -> Cohort:
    """Cases with a random image and a label that fills some slices of each view, in RAS already."""

    def make(count: int = 3, shape: tuple[int, int, int] = (9, 8, 7)) -> list[dict[str, Any]]:
        items = []
        for case in range(count):
            rng = np.random.default_rng(case)
            image = rng.integers(-1000, 1000, shape).astype(np.int16)
            label = np.zeros(shape, np.uint8)
            label[2 : 6 + case % 2, 1:5, 2:5] = rng.integers(0, 3, (4 + case % 2, 4, 3))
            paths = {"image": save(f"i/c{case}.nii.gz", image), "label": save(f"l/c{case}.nii.gz", label)}
            items.append({"id": f"c{case}", **paths})
        return items

    return make
