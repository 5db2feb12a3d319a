from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort, check_cohort, copy_geometry
from atso_monai.cohort.geometry import corner_distance
from atso_monai.errors import CohortError, PrepareError


def test_corner_distance_is_the_largest_over_all_voxels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = np.eye(4), np.eye(4)
        first[:3], second[:3] = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
        shape = tuple(int(n) for n in rng.integers(1, 6, 3))
        voxels = np.argwhere(np.ones(shape))
        apart = nib.affines.apply_affine(first, voxels) - nib.affines.apply_affine(second, voxels)
        assert corner_distance(first, second, shape) == pytest.approx(np.linalg.norm(apart, axis=1).max())


def test_a_small_rotation_counts_by_what_it_moves() -> None:
    angle = 1e-3
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert corner_distance(np.eye(4), turned, (512, 512, 100)) == pytest.approx(np.hypot(511, 511) * angle, rel=1e-3)


@pytest.fixture
def shifted(sound: Cohort, save_volume: Callable[..., Path], tmp_path: Path) -> Path:
    """A label of case_0 whose affine is 5 mm off."""
    label = nib.load(sound.labelled[0].label)
    affine = label.affine.copy()
    affine[0, 3] += 5
    return save_volume(tmp_path / "off.nii.gz", np.asarray(label.dataobj), affine)


def test_the_copy_has_the_affine_of_the_image_and_the_voxels_of_the_label(
    sound: Cohort, shifted: Path, tmp_path: Path
) -> None:
    image = sound.labelled[0].image
    before = image.read_bytes(), shifted.read_bytes()

    made = copy_geometry(image, shifted, tmp_path / "new folder" / "ok #1.nii.gz")

    copy = nib.load(made)
    assert np.array_equal(copy.affine, nib.load(image).affine)
    assert np.array_equal(copy.dataobj, nib.load(shifted).dataobj)
    assert copy.get_data_dtype() == np.uint8
    assert (image.read_bytes(), shifted.read_bytes()) == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_the_repair_that_a_check_offers_mends_the_cohort(sound: Cohort, shifted: Path, tmp_path: Path) -> None:
    case = sound.labelled[0]
    case.label.unlink()
    broken = type(case)(case.id, case.image, label=shifted)
    cohort = Cohort("x", sound.labels, labelled=(broken,))

    assert "copy_geometry" in check_cohort(cohort)[0].way_out
    mended = type(case)(case.id, case.image, label=copy_geometry(case.image, shifted, tmp_path / "mended.nii"))
    assert check_cohort(Cohort("x", sound.labels, labelled=(mended,))) == []


def test_nothing_is_written_over(sound: Cohort, shifted: Path) -> None:
    with pytest.raises(CohortError, match=r"Will not write over .*off\.nii\.gz"):
        copy_geometry(sound.labelled[0].image, shifted, shifted)


def test_what_is_no_matter_of_the_header_is_refused(
    sound: Cohort, save_volume: Callable[..., Path], tmp_path: Path
) -> None:
    image = sound.labelled[0].image
    small = save_volume(tmp_path / "small.nii", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(CohortError, match=r"shape \(6, 5, 4\), .*small\.nii has shape \(2, 2, 2\)"):
        copy_geometry(image, small, tmp_path / "out.nii")
    with pytest.raises(CohortError, match=r"must end in \.nii or \.nii\.gz.*out\.mha"):
        copy_geometry(image, image, tmp_path / "out.mha")
    with pytest.raises(PrepareError, match=r"none\.nii"):
        copy_geometry(image, tmp_path / "none.nii", tmp_path / "out.nii")
