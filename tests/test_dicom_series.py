"""DICOM series: geometry against ITK's own reader and pydicom, a real series, and every refusal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest

from atso_monai._dicom_series import is_dicom_folder, read_dicom_series, read_header
from atso_monai.errors import PrepareError
from atso_monai.phantom.dicom import write_dicom_series, write_slice
from atso_monai.volume_file import inspect_volume, read_volume

CT = Path(__file__).parents[2] / "shared" / "data" / "ct_example"
SHAPE, SPACING = (7, 6, 5), np.array([0.7, 0.8, 2.5])
Fault = Callable[[Path, np.ndarray], None]


def turned(angles: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Voxel to RAS of an LPS stack, turned about z and then x by degrees."""
    a, b = np.radians(angles)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-1, -1, 1]) * SPACING
    affine[:3, 3] = (120.5, 80.25, -300.75)
    return affine


def values() -> np.ndarray:
    return np.random.default_rng(0).integers(-1024, 3000, SHAPE).astype(np.int16)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_dicom_series(tmp_path / "series", values(), turned(), patient="P1")
    return tmp_path / "series"


@pytest.mark.parametrize("angles", [(0, 0), (20, 0), (0, 35), (-100, 200)])
def test_voxels_and_affine_come_back(tmp_path: Path, angles: tuple[float, float]) -> None:
    write_dicom_series(tmp_path / "s", values(), turned(angles), patient="P1")
    array, affine = read_volume(tmp_path / "s")
    assert array.dtype == np.int16 and np.array_equal(array, values())
    assert np.allclose(affine, turned(angles), atol=1e-4)


def test_a_left_handed_volume_keeps_every_voxel_in_its_place(tmp_path: Path) -> None:
    affine = turned() @ np.diag([-1.0, 1, 1, 1])
    write_dicom_series(tmp_path / "s", values(), affine, patient="P1")
    mine = nib.as_closest_canonical(nib.Nifti1Image(*read_volume(tmp_path / "s")))
    given = nib.as_closest_canonical(nib.Nifti1Image(values(), affine))
    assert np.array_equal(mine.get_fdata(), given.get_fdata()) and np.allclose(mine.affine, given.affine, atol=1e-4)


def test_places_agree_with_itk_and_pydicom(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    write_dicom_series(tmp_path / "s", values(), turned((20, 10)), patient="P1")
    files = sorted((tmp_path / "s").iterdir())
    array, affine = read_volume(tmp_path / "s")
    whole = itk.imread([str(f) for f in files])
    for index in [(0, 0, 0), (6, 5, 4), (3, 0, 2)]:
        point = np.array(whole.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        assert np.allclose((affine @ [*index, 1])[:3], point, atol=1e-3)
    one = pydicom.dcmread(files[2])
    row, column = (np.array(one.ImageOrientationPatient[k : k + 3], float) for k in (0, 3))
    down, across = map(float, one.PixelSpacing)
    place = np.array(one.ImagePositionPatient, float) + row * across * 4 + column * down * 5  # PS3.3, C.7.6.2.1.1
    assert np.allclose((affine @ [4, 5, 2, 1])[:3], place * (-1, -1, 1), atol=1e-3)
    stored = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
    assert stored[5, 4] == array[4, 5, 2]


def test_slices_are_sorted_by_position_not_by_name(series: Path) -> None:
    for index, name in enumerate("dbace"):
        (series / f"{index:06d}.dcm").rename(series / f"{name}.dcm")
    assert np.array_equal(read_volume(series)[0], values())


def test_hidden_files_and_licences_are_no_slices(series: Path) -> None:
    for name in ("LICENSE", "._000000.dcm", "notes.txt"):
        (series / name).write_text("text")
    assert np.array_equal(read_volume(series)[0], values())
    assert is_dicom_folder(series) and not is_dicom_folder(series.parent)


def copy_slice(series: Path, name: str, position: tuple[float, float, float], **tags: str) -> None:
    """One more slice of the series, at another place or with other tags."""
    header = {"0020|000e": read_header(series / "000000.dcm").series, "0028|1052": "-1024"}
    header |= {key.replace("_", "|").removeprefix("t"): text for key, text in tags.items()}
    directions = np.diag([1.0, 1.0, 1.0])
    write_slice(series / name, values()[..., 0], np.array(position), directions, SPACING, header)


def tilt(series: Path, affine: np.ndarray) -> None:
    for index in range(SHAPE[2]):
        copy_slice(series, f"{index:06d}.dcm", (-120.5, -80.25 + 0.5 * index, -300.75 + 2.5 * index))


def turn_one(series: Path, affine: np.ndarray) -> None:
    other = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    tags = {"0020|000e": read_header(series / "000000.dcm").series, "0028|1052": "-1024"}
    write_slice(series / "coronal.dcm", values()[..., 0], np.zeros(3), other, SPACING, tags)


def resize_one(series: Path, affine: np.ndarray) -> None:
    tags = {"0020|000e": read_header(series / "000000.dcm").series, "0028|1052": "-1024"}
    write_slice(series / "x.dcm", values()[:5, :, 0], np.array([-120.5, -80.25, -288.25]), np.eye(3), SPACING, tags)


def cut(series: Path, affine: np.ndarray) -> None:
    (series / "000004.dcm").write_bytes((series / "000004.dcm").read_bytes()[:100])


def cut_pixels(series: Path, affine: np.ndarray) -> None:
    (series / "000002.dcm").write_bytes((series / "000002.dcm").read_bytes()[:-40])


FAULTS: dict[str, tuple[Fault, str]] = {
    "gap": (lambda s, a: (s / "000002.dcm").unlink(), "5 mm from 000001.dcm to 000003.dcm"),
    "twice": (lambda s, a: copy_slice(s, "b.dcm", (-120.5, -80.25, -298.25)) or None, "there twice: 000001.dcm and b"),
    "uneven": (lambda s, a: copy_slice(s, "b.dcm", (-120.5, -80.25, -288.0)) or None, "unevenly spaced"),
    "aside": (lambda s, a: copy_slice(s, "000002.dcm", (-119, -80.25, -295.75)) or None, "1.50 mm off the stack"),
    "tilt": (tilt, r"tilted: the stack is sheared by 11\.3"),
    "series": (lambda s, a: copy_slice(s, "b.dcm", (0, 0, 0), t0020_000e="1.2.3") or None, "it holds 2 series"),
    "rescale": (lambda s, a: copy_slice(s, "b.dcm", (0, 0, 0), t0028_1052="0") or None, "2 rescalings"),
    "orientation": (turn_one, "mixed orientations"),
    "size": (resize_one, "2 sizes"),
    "one slice": (lambda s, a: [f.unlink() for f in sorted(s.iterdir())[1:]] and None, "one slice"),
    "cut header": (cut, "no DICOM files: 000004.dcm"),
    "cut pixels": (cut_pixels, "."),
    "empty": (lambda s, a: [f.unlink() for f in s.iterdir()] and None, "it is a folder without DICOM files"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_regular_stack_is_refused_by_folder_and_file(series: Path, name: str) -> None:
    fault, message = FAULTS[name]
    fault(series, turned())
    with pytest.raises(PrepareError, match=message) as error:
        read_volume(series)
    assert str(series) in str(error.value)


def test_facts_notice_a_changed_slice(series: Path, tmp_path: Path) -> None:
    first = inspect_volume(series, tmp_path / "facts")
    assert first.shape == SHAPE and inspect_volume(series, tmp_path / "facts") == first
    (series / "000004.dcm").unlink()
    assert inspect_volume(series, tmp_path / "facts").shape == (7, 6, 4)
    assert json.loads(next((tmp_path / "facts").iterdir()).read_text())


def test_real_series_and_its_pancreas() -> None:
    """TotalSegmentator's example: JPEG 2000, no series id; its label is stored with flipped rows and a true affine."""
    if not CT.is_dir():
        pytest.skip(f"no real CT in {CT}")
    array, affine = read_volume(CT / "dicom")
    label = nib.load(CT / "example_seg_dicom.nii.gz")
    assert array.shape == label.shape and not np.allclose(affine, label.affine, atol=1)
    scan = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    truth = nib.as_closest_canonical(label)
    assert np.allclose(scan.affine, truth.affine, atol=1e-3)
    inside = np.asarray(scan.dataobj)[np.asarray(truth.dataobj) == 7]
    assert inside.size > 1000 and 60 < np.median(inside) < 130
    whole = itk.imread([str(f) for f in sorted((CT / "dicom").iterdir(), key=lambda f: read_header(f).position[2])])
    index = (100, 200, 19)
    point = np.array(whole.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
    assert np.allclose((affine @ [*index, 1])[:3], point, atol=0.01)
    assert np.array_equal(itk.array_from_image(whole).transpose(2, 1, 0), array)


def test_a_cut_off_real_series_is_refused(tmp_path: Path) -> None:
    if not CT.is_dir():
        pytest.skip(f"no real CT in {CT}")
    shutil.copytree(CT / "dicom", tmp_path / "s", copy_function=shutil.copyfile)
    file = sorted((tmp_path / "s").iterdir())[3]
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(PrepareError, match="s"):
        read_dicom_series(tmp_path / "s")
