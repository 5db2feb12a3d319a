"""The documents, as pydicom unpacks them and highdicom understands them, point by point in the patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest

from atso_monai.cohort import Case, Cohort
from atso_monai.errors import PrepareError
from atso_monai.review.export.case_labels import CaseLabels, RunLabels
from atso_monai.review.export.dicom_seg import DicomSegExport
from atso_monai.review.export.dicom_series import read_series
from atso_monai.volume_file import read_volume

NAMES = {0: "background", 1: "pancreas", 4: "kidney_left", 9: "脑" * 70}
SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "ct_example"


def exported(folder: Path, series: Path, label: np.ndarray, affine: np.ndarray, names: dict[int, str]) -> Path:
    folder.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(label, affine), folder / "label.nii.gz")
    item = CaseLabels(Case("a #1", series), "reference", "f1", folder / "label.nii.gz", ())
    run = RunLabels(folder, "atso", Cohort("x", names), (item,))
    (folder / "out").mkdir()
    exporter = DicomSegExport(run, folder / "out")
    exporter.add(item)
    exporter.finish()
    return folder / "out" / "a #1.dcm"


def points_in(file: Path) -> dict[str, set[tuple[float, ...]]]:
    """Where each segment is, LPS in 1/10 mm, from the frames and their own positions alone."""
    dataset = pydicom.dcmread(file)
    names = {s.SegmentNumber: s.SegmentLabel for s in dataset.SegmentSequence}
    found: dict[str, set[tuple[float, ...]]] = {name: set() for name in names.values()}
    shared = dataset.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    down, right = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        name = names[groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        origin = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        rows, columns = np.argwhere(frame).T[:, :, None]
        at = origin + columns * right * cosines[:3] + rows * down * cosines[3:]
        found[name].update(map(tuple, np.round(at * 10).tolist()))
    return found


def points_of(label: np.ndarray, affine: np.ndarray, value: int) -> set[tuple[float, ...]]:
    at = nib.affines.apply_affine(affine, np.argwhere(label == value)) * (-1, -1, 1)
    return set(map(tuple, np.round(at * 10).tolist()))


@pytest.fixture
def series(make_series: Callable[..., Path], tmp_path: Path) -> tuple[Path, np.ndarray]:
    folder = make_series(tmp_path / "series")
    return folder, read_series(folder)[1][1]


def test_every_voxel_at_its_place(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    """Label axes reversed, as another reader of the series may have them."""
    folder, affine = series
    label = np.random.default_rng(0).choice([0, 1, 4, 9], size=(9, 7, 5)).astype(np.uint8)
    turn = np.array([[2, -1], [0, -1], [1, 1]])
    other = nib.orientations.apply_orientation(label, turn)
    moved = affine @ nib.orientations.inv_ornt_aff(turn, label.shape)
    file = exported(tmp_path, folder, other, moved, NAMES)
    found = points_in(file)
    for value, name in ((1, "pancreas"), (4, "kidney_left"), (9, "脑" * 64)):
        assert found[name] == points_of(other, moved, value)


@pytest.mark.parametrize("thickness", [None, ""])
def test_what_anonymisers_take_away_is_left_empty(
    make_series: Callable[..., Path], tmp_path: Path, thickness: str | None
) -> None:
    names = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
             "StudyTime")  # fmt: skip
    folder = make_series(tmp_path / "series", SliceThickness=thickness, **dict.fromkeys(names))
    affine = read_series(folder)[1][1]
    label = np.random.default_rng(0).choice([0, 1, 4, 9], size=(9, 7, 5)).astype(np.uint8)
    file = exported(tmp_path, folder, label, affine, NAMES)
    assert points_in(file)["pancreas"] == points_of(label, affine, 1)
    dataset = pydicom.dcmread(file)
    assert all(not dataset[name].value for name in names)
    assert dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == pytest.approx(2.5)


def test_highdicom_reads_it_on_the_source_images(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, affine = series
    label = np.random.default_rng(1).choice([0, 1, 4, 9], size=(9, 7, 5)).astype(np.uint8)
    document = hd.seg.segread(exported(tmp_path, folder, label, affine, NAMES))
    datasets, _ = read_series(folder)
    by_source = document.get_pixels_by_source_instance([d.SOPInstanceUID for d in datasets], combine_segments=True)
    expected = np.select([label == 1, label == 4, label == 9], [1, 2, 3]).transpose(2, 1, 0)
    np.testing.assert_array_equal(by_source, expected)
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert document[name].value == datasets[0][name].value
    assert document.SeriesInstanceUID != datasets[0].SeriesInstanceUID
    assert document.segmentation_type == hd.seg.SegmentationTypeValues.BINARY
    terms = [document.get_segment_description(n) for n in (1, 2, 3)]
    assert [t.segmented_property_type.value for t in terms] == ["15776009", "64033007", "85756007"]
    assert [t.segmented_property_category.value for t in terms] == ["91723000", "91723000", "85756007"]
    modifier = document.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0]
    assert modifier.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"


def test_a_converted_scan_leads_back_to_its_series(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    source, _ = series
    scan, affine = read_volume(source)
    image = tmp_path / "prepared" / "images" / "P1.nii.gz"
    image.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(scan, affine), image)
    label = np.zeros(scan.shape, np.uint8)
    label[1:3, 2:4, 1:3], label[4, 4, 2] = 1, 2
    names = {0: "background", 1: "pancreas", 2: "spleen"}
    with pytest.raises(PrepareError, match="no DICOM series"):
        exported(tmp_path / "before", image, label, affine, names)
    record = tmp_path / "prepared" / "records" / "P1.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"series": str(source)}), encoding="utf-8")
    made = exported(tmp_path / "after", image, label, affine, names)
    assert points_in(made) == {name: points_of(label, affine, index) for index, name in names.items() if index}


def test_empty_absent_and_single_voxels(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, affine = series
    single = np.zeros((9, 7, 5), np.uint8)
    single[8, 0, 4] = 4
    (tmp_path / "one").mkdir()
    found = points_in(exported(tmp_path / "one", folder, single, affine, NAMES))
    assert found.pop("kidney_left") == points_of(single, affine, 4)
    assert [len(points) for points in found.values()] == [0, 0]
    (tmp_path / "none").mkdir()
    empty = exported(tmp_path / "none", folder, np.zeros_like(single), affine, NAMES)
    assert not any(points_in(empty).values())
    assert hd.seg.segread(empty).number_of_segments == 3


def test_refusals(series: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, affine = series
    moved = affine.copy()
    moved[0, 3] += 1
    with pytest.raises(PrepareError, match=r"label.nii.gz lies up to 1 mm off the grid of .*series"):
        exported(tmp_path, folder, np.zeros((9, 7, 5), np.uint8), moved, NAMES)
    (tmp_path / "b").mkdir()
    with pytest.raises(PrepareError, match=r"1 of 1 images are no DICOM series, first .*--format slicer or nifti"):
        exported(tmp_path / "b", tmp_path / "x.nii.gz", np.zeros((9, 7, 5), np.uint8), affine, NAMES)
    assert not list(tmp_path.rglob("out/*"))


def test_headers_that_highdicom_does_not_take_are_told(make_series: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_series(tmp_path / "series", PatientSex="Q")
    affine = read_series(folder)[1][1]
    with pytest.raises(PrepareError, match=r"No DICOM segmentation can be made on the series in .*series"):
        exported(tmp_path, folder, np.ones((9, 7, 5), np.uint8), affine, NAMES)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_real_series(tmp_path: Path) -> None:
    """Its identifiers were taken away; they are put back here, nothing else is changed."""
    if not (SHARED / "dicom").is_dir():
        pytest.skip("the CT example is not beside the project")
    study, number = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    with pytest.raises(PrepareError, match=r"20 of 20 images .* have no StudyInstanceUID"):
        read_series(SHARED / "dicom")
    (tmp_path / "series").mkdir()
    for path in (SHARED / "dicom").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, number
        dataset.save_as(tmp_path / "series" / path.name)
    image = nib.load(SHARED / "example_seg_dicom.nii.gz")
    label = np.asarray(image.dataobj).astype(np.uint8)
    names = {0: "background", 1: "spleen", 7: "pancreas"}
    file = exported(tmp_path, tmp_path / "series", np.where(np.isin(label, [1, 7]), label, 0), image.affine, names)
    found = points_in(file)
    assert len(found["pancreas"]) == (label == 7).sum() > 1000
    assert found["pancreas"] == points_of(label, image.affine, 7)
    assert found["spleen"] == points_of(label, image.affine, 1)
