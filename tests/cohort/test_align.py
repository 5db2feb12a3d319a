"""How a label lies on its scan: every stored order, every kind of header, and what must be refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from atso_monai.cohort.align import align_label, turned
from atso_monai.errors import CohortError
from atso_monai.phantom import PhantomCase, phantom_case
from atso_monai.volume_file import read_volume

CT = Path(__file__).parents[3] / "shared" / "data" / "ct_example"
OTHER = {"R": "L", "A": "P", "S": "I"}
AXES = ["".join(c) for order in ("RAS", "ARS") for c in itertools.product(*((x, OTHER[x]) for x in order))]


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    return phantom_case(3, shape=(56, 56, 24))


def stored(case: PhantomCase, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """The label with axes ``codes``, and the affine that fits them."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(codes)))
    return apply_orientation(case.label, turn), case.affine @ inv_ornt_aff(turn, case.label.shape)


@pytest.mark.parametrize("codes", AXES)
def test_a_true_header_is_followed_whatever_the_stored_order(case: PhantomCase, codes: str) -> None:
    label, affine = stored(case, codes)
    found = align_label(case.image, case.affine, label, affine)
    assert found.header_agrees and np.array_equal(turned(label, found.chosen), case.label)


@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_a_false_header_is_overruled_by_the_scan(case: PhantomCase, flips: tuple[int, ...]) -> None:
    wrong = case.label[tuple(slice(None, None, s) for s in flips)]
    found = align_label(case.image, case.affine, wrong, case.affine)
    assert np.array_equal(turned(wrong, found.chosen), case.label)
    assert found.header_agrees == (flips == (1, 1, 1))


def test_an_empty_header_leaves_the_choice_to_the_scan(case: PhantomCase) -> None:
    found = align_label(case.image, case.affine, case.label[::-1, ::-1], np.eye(4))
    assert np.array_equal(turned(case.label[::-1, ::-1], found.chosen), case.label)
    assert "by the scan alone" in found.reason and found.to_json()["chosen"] == "flipped along axes 0, 1"


def test_the_scan_decides_for_most_people() -> None:
    for seed in range(4):
        case = phantom_case(100 + seed, shape=(40, 40, 16))
        found = align_label(case.image, case.affine, case.label, np.eye(4))
        assert np.array_equal(turned(case.label, found.chosen), case.label)


def test_a_label_of_someone_else_is_refused(case: PhantomCase) -> None:
    elsewhere = np.zeros_like(case.label)
    elsewhere[2:9, 2:9, 8:16] = 1  # air beside the body
    with pytest.raises(CohortError, match="no way to lay the label on the scan covers soft tissue"):
        align_label(case.image, case.affine, elsewhere, case.affine)


def test_ambiguity_is_refused_unless_the_header_settles_it(case: PhantomCase) -> None:
    image = np.full((20, 20, 20), -100, np.int16)
    label = np.zeros((20, 20, 20), np.uint8)
    label[3:7, 3:9, 3:7] = 1
    image[(label | label[::-1]) > 0] = 90
    assert np.array_equal(turned(label, align_label(image, np.eye(4), label, np.eye(4)).chosen), label)
    shifted = np.eye(4)
    shifted[:3, 3] = 50
    with pytest.raises(CohortError, match=r"does not tell how the label lies .*: .*as stored .*flipped along axes 0 "):
        align_label(image, np.eye(4), label, shifted)


def test_a_faint_organ_needs_a_header_that_fits(case: PhantomCase) -> None:
    image = np.where(case.label > 0, 52, 45).astype(np.int16)  # 7 HU above its surroundings
    assert align_label(image, case.affine, case.label, case.affine).header_agrees
    with pytest.raises(CohortError, match="does not tell how the label lies"):
        align_label(image, case.affine, case.label, np.eye(4))
    with pytest.raises(CohortError, match="does not tell how the label lies"):
        align_label(image, case.affine, case.label[:, ::-1], case.affine)


@pytest.mark.parametrize(("label", "message"), [(np.zeros((5, 6, 7)), "empty"), (np.ones((5, 6, 8)), "shape")])
def test_labels_that_cannot_belong_are_refused(label: np.ndarray, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        align_label(np.zeros((5, 6, 7)), np.eye(4), label, np.eye(4))


def test_the_real_pancreas_is_found_by_the_scan_alone() -> None:
    if not CT.is_dir():
        pytest.skip(f"no real CT in {CT}")
    scan, affine = read_volume(CT / "dicom")
    values, label_affine = read_volume(CT / "example_seg_dicom.nii.gz")
    label = (values == 7).astype(np.uint8)
    true = align_label(scan, affine, label, label_affine)
    assert true.header_agrees and true.chosen.name == "flipped along axes 1" and true.chosen.share > 0.9
    assert align_label(scan, affine, label, np.eye(4)).chosen.name == true.chosen.name
    right = nib.as_closest_canonical(nib.Nifti1Image(turned(label, true.chosen), affine))
    given = nib.as_closest_canonical(nib.Nifti1Image(label, label_affine))
    assert np.array_equal(right.dataobj, given.dataobj) and np.allclose(right.affine, given.affine, atol=1e-3)
