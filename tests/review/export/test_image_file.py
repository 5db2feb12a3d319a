from __future__ import annotations

from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest

import atso_monai.review.export.image_file as module
from atso_monai.errors import PrepareError
from atso_monai.review.export.image_file import place_image, window
from atso_monai.volume_file import read_volume

AFFINE = np.array([[0.6, -1.6, 0, 5], [0.8, 1.2, 0, -7], [0, 0, 3.0, 11], [0, 0, 0, 1]])
ARRAY = np.arange(60, dtype=np.int16).reshape(5, 4, 3)


def nifti(path: Path, affine: np.ndarray = AFFINE, array: np.ndarray = ARRAY) -> Path:
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=1)
    nib.save(image, path)
    return path


def place(source: Path, folder: Path, copy: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    return place_image(source, *read_volume(source), folder, "a b#1", copy)


def seen_by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = itk.imread(str(path))
    corner = np.array([list(image.TransformIndexToPhysicalPoint(i)) for i in ([0, 0, 0], [4, 3, 2], [4, 0, 0])])
    return itk.array_from_image(image).transpose(2, 1, 0), corner * (-1, -1, 1)


def expected_corners(affine: np.ndarray) -> np.ndarray:
    return (affine @ np.array([[0, 0, 0, 1], [4, 3, 2, 1], [4, 0, 0, 1]]).T).T[:, :3]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_is_linked_or_copied(tmp_path: Path, suffix: str) -> None:
    source = nifti(tmp_path / f"x{suffix}")
    linked = place(source, tmp_path / "linked")
    copied = place(source, tmp_path / "copied", copy=True)
    assert linked.name == copied.name == f"a b#1{suffix}"
    assert linked.samefile(source)
    assert not copied.samefile(source)
    assert copied.read_bytes() == source.read_bytes()


def test_a_copy_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(module.os, "link", refuse)
    source = nifti(tmp_path / "x.nii")
    made = place(source, tmp_path / "out")
    assert not made.samefile(source)
    assert made.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_other_formats_become_nifti_at_the_same_place(tmp_path: Path, suffix: str) -> None:
    image = itk.imread(str(nifti(tmp_path / "x.nii")))
    itk.imwrite(image, str(tmp_path / f"x{suffix}"))
    made = place(tmp_path / f"x{suffix}", tmp_path / "out")
    assert made.name == "a b#1.nii.gz"
    array, corners = seen_by_itk(made)
    np.testing.assert_array_equal(array, ARRAY)
    np.testing.assert_allclose(corners, expected_corners(AFFINE), atol=1e-4)


def test_two_geometries_in_a_header_become_one(tmp_path: Path) -> None:
    """Nibabel takes the sform, ITK the qform where only that is at right angles: here their origins differ."""
    image = nib.Nifti1Image(ARRAY, AFFINE)
    image.set_sform(AFFINE, code=1)
    other = AFFINE.copy()
    other[:3, 3] += 30
    image.set_qform(other, code=1)
    nib.save(image, tmp_path / "x.nii")
    made = place(tmp_path / "x.nii", tmp_path / "out")
    array, corners = seen_by_itk(made)
    np.testing.assert_array_equal(array, ARRAY)
    np.testing.assert_allclose(corners, expected_corners(read_volume(tmp_path / "x.nii")[1]), atol=1e-4)


def test_a_sheared_scan_is_refused(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 2] = 1.5
    nib.save(nib.Nifti1Image(ARRAY, sheared), tmp_path / "x.nii")
    with pytest.raises(PrepareError, match="not at right angles"):
        place(tmp_path / "x.nii", tmp_path / "out")


def test_types_that_nifti_lacks(tmp_path: Path) -> None:
    made = place_image(tmp_path / "series", ARRAY.astype(np.int64), AFFINE, tmp_path, "a", False)
    np.testing.assert_array_equal(read_volume(made)[0], ARRAY)


def test_windows() -> None:
    assert window(np.array([-1000.0, 50, 300])) == (-160.0, 240.0)
    low, high = window(np.arange(1001, dtype=np.int16))
    assert (low, high) == (10.0, 990.0)
    assert window(np.zeros(5)) == (0.0, 1.0)
    assert window(np.array([np.nan, 3.0])) == (3.0, 4.0)
    assert window(np.array([np.nan])) == (0.0, 1.0)
