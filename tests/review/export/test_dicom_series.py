from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pydicom
import pytest

from atso_monai.errors import PrepareError
from atso_monai.review.export.dicom_series import on_series, read_series

Series = Callable[..., Path]


def test_geometry_is_that_of_itk(make_series: Series, tmp_path: Path) -> None:
    folder = make_series(tmp_path / "s")
    datasets, (shape, affine) = read_series(folder)
    assert shape == (9, 7, 5)
    names = itk.GDCMSeriesFileNames.New(Directory=str(folder))
    image = itk.imread(names.GetFileNames(names.GetSeriesUIDs()[0]), itk.SS)
    assert tuple(image.GetLargestPossibleRegion().GetSize()) == (9, 7, 5)
    array = itk.array_from_image(image).transpose(2, 1, 0)
    mine = np.stack([d.pixel_array.T for d in (pydicom.dcmread(d.filename) for d in datasets)], axis=-1)
    np.testing.assert_array_equal(array, mine)
    for index in ([0, 0, 0], [8, 0, 0], [0, 6, 0], [0, 0, 4], [8, 6, 4]):
        point = np.array(list(image.TransformIndexToPhysicalPoint(index))) * (-1, -1, 1)
        np.testing.assert_allclose((affine @ [*index, 1])[:3], point, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SeriesInstanceUID": ""}, "5 of 5 images .* have no SeriesInstanceUID"),
        ({"SOPInstanceUID": None}, "have no SOPInstanceUID"),
        ({"FrameOfReferenceUID": ""}, "have no FrameOfReferenceUID"),
        ({"ImagePositionPatient": [0, 0, 0]}, "slices are there twice"),
    ],
)
def test_series_that_cannot_be_used(make_series: Series, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = make_series(tmp_path / "s", **changes)
    with pytest.raises(PrepareError, match=message):
        read_series(folder)


def test_a_missing_slice_and_none(make_series: Series, tmp_path: Path) -> None:
    folder = make_series(tmp_path / "s")
    datasets, _ = read_series(folder)
    Path(datasets[2].filename).unlink()
    with pytest.raises(PrepareError, match="slices are missing"):
        read_series(folder)
    for dataset in (*datasets[:2], *datasets[3:]):
        Path(dataset.filename).unlink()
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(PrepareError, match="folder without DICOM files"):
        read_series(folder)


def test_files_that_are_no_images_are_passed_over(make_series: Series, tmp_path: Path) -> None:
    folder = make_series(tmp_path / "s")
    (folder / "notes.txt").write_text("no image")
    assert len(read_series(folder)[0]) == 5


@pytest.mark.parametrize("code", ["RAS", "LPS", "SAR", "PIL", "ILP"])
def test_labels_in_any_axis_order(make_series: Series, tmp_path: Path, code: str) -> None:
    _, (_, affine) = read_series(make_series(tmp_path / "s"))
    label = np.random.default_rng(0).integers(0, 3, (9, 7, 5)).astype(np.uint8)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(code))
    )
    other = nib.orientations.apply_orientation(label, turn)
    moved = affine @ nib.orientations.inv_ornt_aff(turn, label.shape)
    back = on_series(Path("l"), other, moved, Path("s"), (label.shape, affine))
    np.testing.assert_array_equal(back, label)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 1.0), (0.5, 0.0, 0.0), (0.0, 0.1, 0.0)])
def test_labels_off_the_grid(make_series: Series, tmp_path: Path, shift: tuple[float, ...]) -> None:
    _, (_, affine) = read_series(make_series(tmp_path / "s"))
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ shift
    with pytest.raises(PrepareError, match="off the grid"):
        on_series(Path("l"), np.zeros((9, 7, 5), np.uint8), moved, Path("s"), ((9, 7, 5), affine))
    with pytest.raises(PrepareError, match="not the same grid"):
        on_series(Path("l"), np.zeros((9, 7, 4), np.uint8), affine, Path("s"), ((9, 7, 5), affine))
