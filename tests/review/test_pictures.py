from __future__ import annotations

import base64
import io
from dataclasses import replace
from itertools import combinations
from math import dist
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from atso_monai.cohort import Case
from atso_monai.review.export.terms import term
from atso_monai.review.overlay import GREEN, RED, YELLOW
from atso_monai.review.report.class_colours import APART, class_colours, class_legend
from atso_monai.review.report.pictures import HEIGHT, STRONG, View, case_picture, fullest_slice, legend_words

CLASSES = {1: "liver", 2: "spleen"}
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


def shows(view: View, colour: tuple[int, int, int], opacity: float = 0.45) -> bool:
    """Whether a good part of the view has a colour, on black."""
    return bool((np.abs(pixels(view) - opacity * np.array(colour)).max(axis=2) < 12).mean() > 0.005)


def test_one_class_is_shown_against_the_truth(case: Case, tmp_path: Path) -> None:
    true = (label_of(case) > 0).astype(np.uint8)
    one = replace(case, truth=save(tmp_path / "t.nii.gz", true))
    made = save(tmp_path / "p.nii.gz", np.roll(true, 6, axis=1))
    picture = case_picture(one, made, "Worst", "DSC 10%", None, {1: "liver"})
    (views,) = picture.rows
    assert [view.name for view in views] == ["axial", "coronal", "sagittal"]
    assert all(shows(views[0], colour) for colour in (RED, GREEN, YELLOW))
    assert views[0].height == HEIGHT
    assert views[0].alt == "Case a <b>, axial view: truth red, prediction green, overlap yellow"


def test_a_class_taken_for_another_is_seen(case: Case, tmp_path: Path) -> None:
    made = np.minimum(label_of(case), 1)  # all spleen is called liver
    truth, predicted = case_picture(case, save(tmp_path / "p.nii.gz", made), "Worst", "", None, CLASSES).rows
    assert [view.name for view in predicted] == ["prediction, axial", "prediction, coronal", "prediction, sagittal"]
    liver, spleen = class_colours(CLASSES).values()
    assert [shows(truth[0], colour, STRONG) for colour in (liver, spleen)] == [True, True]
    assert [shows(predicted[0], colour, STRONG) for colour in (liver, spleen)] == [True, False]
    assert not any(shows(view, colour) for view in predicted for colour in (RED, GREEN, YELLOW))
    assert all(name in class_legend(CLASSES) for name in CLASSES.values())
    assert class_legend({1: "liver"}) == ""
    assert "above" in legend_words(CLASSES)


def test_colours_of_classes_can_be_told_apart() -> None:
    assert class_colours(CLASSES) == {1: term("liver").colour, 2: term("spleen").colour}
    names = ["liver", "stomach", "kidney_left", "kidney_right", *"abcdefgh"]
    many = class_colours(dict(enumerate(names, 1)))
    assert len(set(many.values())) == len(names)
    assert min(dist(a, b) for a, b in combinations(many.values(), 2)) >= APART


def test_a_small_class_is_not_cut_away() -> None:
    labels = np.zeros((9, 9, 20), np.uint8)
    labels[:, :, 2:8] = 1
    labels[:2, :2, 7] = 2
    assert fullest_slice(labels, 2) == 7
    assert fullest_slice(0 * labels, 2) == 10


def test_a_label_map_is_applied_to_the_truth_alone(case: Case, tmp_path: Path) -> None:
    made = (label_of(case) == 2).astype(np.uint8)
    picture = case_picture(case, save(tmp_path / "p.nii.gz", made), "", "", {2: 1, 1: 0}, {1: "liver"})
    axial = picture.rows[0][0]
    assert shows(axial, YELLOW)
    assert not any(shows(axial, colour) for colour in (RED, GREEN))


def test_without_truth_the_prediction_is_shown(case: Case, tmp_path: Path) -> None:
    file = save(tmp_path / "p.nii.gz", label_of(case))
    axial = case_picture(replace(case, truth=None), file, "", "", None, {1: "liver"}).rows[0][0]
    assert shows(axial, GREEN)
    assert not any(shows(axial, colour) for colour in (RED, YELLOW))
    assert "truth not known" in axial.alt
    (views,) = case_picture(replace(case, truth=None), file, "", "", None, CLASSES).rows
    assert all(shows(views[0], colour, STRONG) for colour in class_colours(CLASSES).values())
    assert "truth not known" in views[0].alt


@pytest.mark.parametrize("known", [True, False])
def test_empty_labels_are_pictures_too(case: Case, tmp_path: Path, known: bool) -> None:
    empty = save(tmp_path / "p.nii.gz", 0 * label_of(case))
    truth = save(tmp_path / "t.nii.gz", 0 * label_of(case)) if known else None
    picture = case_picture(replace(case, truth=truth), empty, "", "", None, CLASSES)
    assert [len(row) for row in picture.rows] == [3] * (1 + known)
    assert all("nothing is labelled" in view.alt for row in picture.rows for view in row)


def test_one_voxel_is_found(case: Case, tmp_path: Path) -> None:
    dot = 0 * label_of(case)
    dot[7, 70, 25] = 1
    picture = case_picture(replace(case, truth=None), save(tmp_path / "p.nii.gz", dot), "", "", None, CLASSES)
    for view in picture.rows[0]:
        assert (pixels(view)[..., 1] > 40).any()


def test_what_cannot_be_drawn_says_why(case: Case, tmp_path: Path) -> None:
    small = save(tmp_path / "p.nii.gz", np.ones((3, 3, 3), np.uint8))
    assert "not the same grid" in case_picture(case, small, "", "", None, CLASSES).problem
    assert "no such file" in case_picture(case, tmp_path / "gone.nii.gz", "", "", None, CLASSES).problem
