from __future__ import annotations

import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.errors import PrepareError
from atso_monai.prepare import TrainingGrid, place, write_label
from atso_monai.volume_file import read_volume

SHAPE = (5, 4, 3)
AFFINE = np.array([[-0.75, 0.1, 0, 7], [0.1, 0.75, 0.2, -3], [0, 0.3, 2.5, 11], [0, 0, 0, 1]])


def label() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)


def test_voxels_and_affine_come_back(tmp_path: Path) -> None:
    affine = AFFINE.astype(np.float32).astype(np.float64)  # a NIfTI header holds float32
    write_label(tmp_path / "new" / "a #1.nii.gz", label(), place(SHAPE, affine, TrainingGrid((None, None, 1))))
    array, found = read_volume(tmp_path / "new" / "a #1.nii.gz")
    np.testing.assert_array_equal(array, label())
    np.testing.assert_array_equal(found, affine)
    assert array.dtype == np.uint8
    assert nib.load(tmp_path / "new" / "a #1.nii.gz").header.get_xyzt_units()[0] == "mm"
    assert os.listdir(tmp_path / "new") == ["a #1.nii.gz"]


def test_the_same_label_gives_the_same_bytes(tmp_path: Path) -> None:
    placement = place(SHAPE, AFFINE, TrainingGrid())
    write_label(tmp_path / "a.nii.gz", label(), placement)
    time.sleep(1.1)  # gzip headers count seconds
    write_label(tmp_path / "b.nii.gz", label(), placement)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_errors_name_the_file(tmp_path: Path) -> None:
    placement = place(SHAPE, AFFINE, TrainingGrid())
    with pytest.raises(PrepareError, match=r"own grid of \(5, 4, 3\) voxels. Received: \(3, 4, 5\)"):
        write_label(tmp_path / "a.nii.gz", label().T, placement)
    (tmp_path / "file").touch()
    with pytest.raises(PrepareError, match=r"Cannot write .*b.nii.gz"):
        write_label(tmp_path / "file" / "b.nii.gz", label(), placement)
    assert os.listdir(tmp_path) == ["file"]
