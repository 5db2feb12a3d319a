"""atso_monai/review/overlay.py"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from atso_monai.errors import PrepareError
from atso_monai.review.overlay import GREEN, RED, YELLOW, draw_overlay


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    truth = np.zeros((20, 24, 10), np.uint8)
    truth[12:16, 8:14, 4:6] = 1  # RAS: high x is the patient's right
    shifted = np.roll(truth, 2, axis=0)
    image = save(tmp_path / "image.nii.gz", np.zeros(truth.shape, np.int16), affine)
    names = {"truth": truth, "shifted": shifted, "empty": truth * 0}
    return {"image": image} | {name: save(tmp_path / f"{name}.nii.gz", a, affine) for name, a in names.items()}


def colours_in(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_overlap_is_yellow_and_errors_are_red_and_green(files: dict[str, Path], tmp_path: Path) -> None:
    to = tmp_path / "out.png"
    draw_overlay(files["image"], files["truth"], [("a", files["shifted"])], to, (0, 1), height=200)
    pixels = colours_in(to)[30:]  # below the title
    for colour in (RED, GREEN, YELLOW):
        expected = 0.45 * np.array(colour)
        assert (np.abs(pixels - expected).max(axis=2) < 6).any(), colour


def test_the_patients_right_is_at_the_left_of_the_axial_view(files: dict[str, Path], tmp_path: Path) -> None:
    to = tmp_path / "out.png"
    draw_overlay(files["image"], files["truth"], [("", files["truth"])], to, (0, 1), height=240)
    axial = colours_in(to)[:, : round(240 * 20 / 24)]
    columns = np.flatnonzero((axial.sum(axis=2) > 60).any(axis=0))
    assert columns.mean() < axial.shape[1] / 2


def test_millimetres_are_square(files: dict[str, Path], tmp_path: Path) -> None:
    to = tmp_path / "out.png"
    draw_overlay(files["image"], files["truth"], [("", files["truth"])] * 2, to, (0, 1), height=240)
    height, width, _ = colours_in(to).shape
    assert (height, width) == (480, round(240 * 40 / 48) + round(240 * 40 / 40) + round(240 * 48 / 40))


def test_another_orientation_gives_the_same_picture(files: dict[str, Path], tmp_path: Path) -> None:
    turned = {}
    for name in ("image", "truth", "shifted"):
        picture = nib.load(files[name])
        lps = nib.orientations.axcodes2ornt("LPI")
        transform = nib.orientations.ornt_transform(nib.io_orientation(picture.affine), lps)
        turned[name] = tmp_path / f"turned_{name}.nii.gz"
        nib.save(picture.as_reoriented(transform), turned[name])
    for which, group in (("a", files), ("b", turned)):
        draw_overlay(group["image"], group["truth"], [("x", group["shifted"])], tmp_path / f"{which}.png", (0, 1))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_empty_truth_and_other_grids_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"empty\.nii\.gz is empty"):
        draw_overlay(files["image"], files["empty"], [("", files["truth"])], tmp_path / "x.png", (0, 1))
    small = save(tmp_path / "small.nii.gz", np.ones((4, 4, 4), np.uint8), np.eye(4))
    with pytest.raises(PrepareError, match=r"small\.nii\.gz has shape"):
        draw_overlay(files["image"], files["truth"], [("", small)], tmp_path / "x.png", (0, 1))
