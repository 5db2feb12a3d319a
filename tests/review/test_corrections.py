from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Case, Cohort
from atso_monai.review.corrections import CorrectionError, correction_files, correction_id, read_correction

CLASSES = {0: "background", 1: "front", 2: "back"}


@pytest.fixture(params=[0, 1, 2], ids=["LPS", "oblique", "permuted"])
def case(request: pytest.FixtureRequest, cohort: Cohort) -> Case:
    """A case on each kind of grid, with its truth as what a person drew."""
    names = {case.id: case for case in cohort.labelled + cohort.reference + cohort.test}
    return next(c for n, c in names.items() if NAMES.index(n) % 3 == request.param)


NAMES = ("a b", "a#b", "a%b", "$a", "ä_é", "a b c", "plain", "a#b%c$d", "x::y", "@脑")


def drawn(case: Case) -> nib.Nifti1Image:
    return nib.load(case.label or case.truth)


def save(image: nib.Nifti1Image, path: Path) -> Path:
    nib.save(image, path)
    return path


def changed(
    image: nib.Nifti1Image, values: np.ndarray | None = None, affine: np.ndarray | None = None
) -> nib.Nifti1Image:
    array = np.asarray(image.dataobj) if values is None else values
    return nib.Nifti1Image(array.astype(np.uint8), image.affine if affine is None else affine)


def test_a_label_on_its_own_grid_is_taken_as_it_is(case: Case, tmp_path: Path) -> None:
    found = read_correction(save(drawn(case), tmp_path / "x.nii.gz"), case.image, CLASSES)
    np.testing.assert_array_equal(found.labels, np.asarray(drawn(case).dataobj))
    np.testing.assert_allclose(found.affine, nib.load(case.image).affine, atol=1e-6)
    assert found.labels.dtype == np.uint8


@pytest.mark.parametrize("axes", ["RAS", "LPI", "ASL", "SPR"])
def test_another_orientation_is_brought_back(case: Case, tmp_path: Path, axes: str) -> None:
    image = drawn(case)
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(axes)))
    found = read_correction(save(image.as_reoriented(turn), tmp_path / "x.nii.gz"), case.image, CLASSES)
    np.testing.assert_array_equal(found.labels, np.asarray(image.dataobj))


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_what_itk_wrote_is_read(case: Case, tmp_path: Path, suffix: str) -> None:
    source = save(drawn(case), tmp_path / "x.nii.gz")
    itk.imwrite(itk.imread(str(source), itk.UC), str(tmp_path / f"x{suffix}"))
    found = read_correction(tmp_path / f"x{suffix}", case.image, CLASSES)
    np.testing.assert_array_equal(found.labels, np.asarray(drawn(case).dataobj))


def test_other_grids_are_refused(case: Case, tmp_path: Path) -> None:
    image = drawn(case)
    moved, coarse = image.affine.copy(), image.affine.copy()
    moved[:3, 3] += 0.4
    coarse[:3, :3] *= 1.1
    turned = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.05, 0, 0)) @ image.affine
    shifted = image.affine.copy()
    shifted[:3, 3] += image.affine[:3, 0]  # by exactly one voxel
    for number, affine in enumerate((moved, coarse, turned, shifted)):
        file = save(changed(image, affine=affine), tmp_path / f"{number}.nii.gz")
        with pytest.raises(CorrectionError, match="does not lie on the grid of its image"):
            read_correction(file, case.image, CLASSES)
    cut = save(changed(image, np.asarray(image.dataobj)[1:]), tmp_path / "cut.nii.gz")
    with pytest.raises(CorrectionError, match="does not lie on the grid"):
        read_correction(cut, case.image, CLASSES)


def test_values_must_be_class_indices(case: Case, tmp_path: Path) -> None:
    file = save(changed(drawn(case), 7 * np.asarray(drawn(case).dataobj)), tmp_path / "x.nii.gz")
    with pytest.raises(CorrectionError, match=r"0, 7, 14; corrected labels hold class indices"):
        read_correction(file, case.image, CLASSES)


# --- 3D Slicer

slicerio = pytest.importorskip("slicerio", reason="needs the extra 'review'")
Masks = dict[str, np.ndarray]


def save_segmentation(image: nib.Nifti1Image, masks: Masks, path: Path, start: tuple[int, ...] = (0, 0, 0)) -> Path:
    """By slicerio, as Slicer saves them; ``start`` is the first voxel where the segmentation is cropped."""
    affine = image.affine @ nib.affines.from_matvec(np.eye(3), start)
    shape = next(iter(masks.values())).shape
    content = slicerio.create_segmentation(shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    for name, mask in masks.items():
        slicerio.add_segment(content, mask, {"id": f"id {name}", "name": name, "color": [1.0, 0.0, 0.0]})
    slicerio.write_segmentation(str(path), content)
    return path


def masks_of(image: nib.Nifti1Image) -> Masks:
    labels = np.asarray(image.dataobj)
    return {"Back": labels == 2, "front ": labels == 1}  # another order, capitals and blanks


@pytest.mark.parametrize("name", ["x.seg.nrrd", "x.nrrd"])
def test_segments_are_matched_by_name(case: Case, tmp_path: Path, name: str) -> None:
    image = drawn(case)
    more = {**masks_of(image), "disagreement": np.asarray(image.dataobj) > 0}  # overlaps: a layer of its own
    found = read_correction(save_segmentation(image, more, tmp_path / name), case.image, CLASSES)
    np.testing.assert_array_equal(found.labels, np.asarray(image.dataobj))
    assert found.ignored == ("disagreement",)


def test_segments_that_an_export_added_are_not_worth_a_word(case: Case, tmp_path: Path) -> None:
    image = drawn(case)
    affine, labels = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine, np.asarray(image.dataobj)
    content = slicerio.create_segmentation(labels.shape, affine)
    names = {"final_1": "front", "final_2": "back", "f1_1": "front (model f1)", "disagreement": "models disagree"}
    for number, (key, name) in enumerate({**names, "Segment_1": "tumour"}.items(), 1):
        mask = labels == number if number < 3 else labels > 0
        slicerio.add_segment(content, mask, {"id": key, "name": name, "color": [1.0, 0.0, 0.0]})
    slicerio.write_segmentation(str(tmp_path / "x.seg.nrrd"), content)
    assert read_correction(tmp_path / "x.seg.nrrd", case.image, CLASSES).ignored == ("tumour",)


def test_a_cropped_segmentation_is_laid_in_its_place(case: Case, tmp_path: Path) -> None:
    image = drawn(case)
    box = [slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(np.asarray(image.dataobj))]
    cropped = {name: mask[tuple(box)] for name, mask in masks_of(image).items()}
    file = save_segmentation(image, cropped, tmp_path / "x.seg.nrrd", tuple(b.start for b in box))
    found = read_correction(file, case.image, CLASSES)
    np.testing.assert_array_equal(found.labels, np.asarray(image.dataobj))


def test_segmentations_that_do_not_fit_are_refused(case: Case, tmp_path: Path) -> None:
    image = drawn(case)
    masks = masks_of(image)
    everywhere = np.ones(image.shape, bool)
    tries: list[tuple[Masks, tuple[int, ...], str]] = [
        ({"Back": masks["Back"]}, (0, 0, 0), "has 0 segments named 'front'"),
        ({"Back": everywhere, "front": masks["front "]}, (0, 0, 0), "overlaps another class"),
        ({"Back": everywhere, "front": ~everywhere}, (3, 0, 0), "labels outside of its image"),
    ]
    for number, (segments, start, message) in enumerate(tries):
        file = save_segmentation(image, segments, tmp_path / f"{number}.seg.nrrd", start)
        with pytest.raises(CorrectionError, match=message):
            read_correction(file, case.image, CLASSES)
    (tmp_path / "bad.seg.nrrd").write_bytes(b"NRRD0004\ntype: unsigned char\n\n")
    with pytest.raises(CorrectionError, match="Cannot read"):
        read_correction(tmp_path / "bad.seg.nrrd", case.image, CLASSES)


def test_an_empty_segment_says_that_the_class_is_absent(case: Case, tmp_path: Path) -> None:
    image = drawn(case)
    masks = {"front": np.asarray(image.dataobj) == 1, "back": np.zeros(image.shape, bool)}
    found = read_correction(save_segmentation(image, masks, tmp_path / "x.seg.nrrd"), case.image, CLASSES)
    assert set(np.unique(found.labels)) == {0, 1}


# --- folders


def test_files_are_named_after_cases(tmp_path: Path) -> None:
    for name in ("a b.nii.gz", "x.v2.seg.nrrd", "notes.txt", ".hidden.nii"):
        (tmp_path / name).touch()
    assert set(correction_files(tmp_path)) == {"a b", "x.v2"}
    assert correction_id(Path("Ä.SEG.NRRD")) == "Ä"
    (tmp_path / "a b.nrrd").touch()
    with pytest.raises(CorrectionError, match="named after one case"):
        correction_files(tmp_path)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()])
def test_no_corrections(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(CorrectionError, match=r"no folder|no label file"):
        correction_files(tmp_path / "x")
