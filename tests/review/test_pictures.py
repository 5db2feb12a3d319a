from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from atso_monai.cohort import Case
from atso_monai.review.overlay import GREEN, MAGENTA, RED, YELLOW
from atso_monai.review.report.pictures import HEIGHT, View, case_picture, legend_words

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])


def save(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, AFFINE), path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    truth = np.zeros((80, 90, 30), np.uint8)
    truth[30:40, 40:60, 10:16] = 1
    truth[40:50, 40:60, 10:16] = 2
    scan = np.full(truth.shape, -500, np.int16)
    return Case("a <b>", save(tmp_path / "image.nii.gz", scan), truth=save(tmp_path / "truth.nii.gz", truth))


def label_of(case: Case) -> np.ndarray:
    assert case.truth is not None
    return np.asarray(nib.load(case.truth).dataobj)


def pixels(view: View) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(view.source.partition(",")[2])))
    assert picture.size == (view.width, view.height)
    return np.asarray(picture.convert("RGB")).astype(int)


def shows(view: View, colour: tuple[int, int, int]) -> bool:
    """Whether a good part of the view has a colour, on black."""
    return bool((np.abs(pixels(view) - 0.45 * np.array(colour)).max(axis=2) < 12).mean() > 0.005)


def test_colours_tell_truth_prediction_overlap_and_other_classes(case: Case, tmp_path: Path) -> None:
    made = np.roll(label_of(case), 6, axis=1)
    made[made == 2] = 1
    picture = case_picture(case, save(tmp_path / "p.nii.gz", made), "Worst", "DSC 10%", None)
    assert [view.name for view in picture.views] == ["axial", "coronal", "sagittal"]
    axial = picture.views[0]
    assert all(shows(axial, colour) for colour in (RED, GREEN, YELLOW, MAGENTA))
    assert axial.height == HEIGHT
    assert axial.alt == "Case a <b>, axial view: truth red, prediction green, overlap yellow"
    assert "magenta" in legend_words(["front", "back"])
    assert "magenta" not in legend_words(["front"])


def test_a_label_map_is_applied_to_the_truth_alone(case: Case, tmp_path: Path) -> None:
    made = (label_of(case) == 2).astype(np.uint8)
    picture = case_picture(case, save(tmp_path / "p.nii.gz", made), "", "", {2: 1, 1: 0})
    axial = picture.views[0]
    assert shows(axial, YELLOW)
    assert not any(shows(axial, colour) for colour in (RED, GREEN, MAGENTA))


def test_without_truth_the_prediction_is_shown(case: Case, tmp_path: Path) -> None:
    file = save(tmp_path / "p.nii.gz", label_of(case))
    axial = case_picture(replace(case, truth=None), file, "", "", None).views[0]
    assert shows(axial, GREEN)
    assert not any(shows(axial, colour) for colour in (RED, YELLOW, MAGENTA))
    assert "truth not known" in axial.alt


@pytest.mark.parametrize("known", [True, False])
def test_empty_labels_are_pictures_too(case: Case, tmp_path: Path, known: bool) -> None:
    empty = save(tmp_path / "p.nii.gz", 0 * label_of(case))
    truth = save(tmp_path / "t.nii.gz", 0 * label_of(case)) if known else None
    picture = case_picture(replace(case, truth=truth), empty, "", "", None)
    assert len(picture.views) == 3
    assert all("nothing is labelled" in view.alt for view in picture.views)


def test_one_voxel_is_found(case: Case, tmp_path: Path) -> None:
    dot = 0 * label_of(case)
    dot[7, 70, 25] = 1
    picture = case_picture(replace(case, truth=None), save(tmp_path / "p.nii.gz", dot), "", "", None)
    for view in picture.views:
        assert (pixels(view)[..., 1] > 40).any()


def test_what_cannot_be_drawn_says_why(case: Case, tmp_path: Path) -> None:
    small = save(tmp_path / "p.nii.gz", np.ones((3, 3, 3), np.uint8))
    assert "not the same grid" in case_picture(case, small, "", "", None).problem
    assert "no such file" in case_picture(case, tmp_path / "gone.nii.gz", "", "", None).problem
