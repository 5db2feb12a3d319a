from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.errors import PrepareError
from atso_monai.volume_table import COLUMNS, NAME, VolumeTable

NAMES = {0: "background", 1: "liver", 2: "tumour, left"}
TURNED = np.array([[0, -0.7, 0, 9], [0.8, 0, 0, -3], [0, 0, 5, 7], [0, 0, 0, 1]])


def save(path: Path, *values: int) -> Path:
    labels = np.zeros((5, 4, 3), np.uint8)
    labels.ravel()[: len(values)] = values
    nib.save(nib.Nifti1Image(labels, TURNED), path)
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / NAME).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_voxels_volume_and_spacing_of_every_class(tmp_path: Path) -> None:
    VolumeTable(tmp_path, NAMES, ["a #1"]).add(save(tmp_path / "a #1.nii.gz", 1, 1, 1))
    liver, tumour = rows(tmp_path)
    assert tuple(liver) == COLUMNS
    assert (liver["case"], liver["label"], liver["name"], liver["voxels"]) == ("a #1", "1", "liver", "3")
    assert float(liver["ml"]) == pytest.approx(3 * 0.7 * 0.8 * 5 / 1000, abs=1e-4)
    assert [liver[f"spacing_{axis}_mm"] for axis in "xyz"] == ["0.8", "0.7", "5"]
    assert (tumour["name"], tumour["voxels"], float(tumour["ml"])) == ("tumour, left", "0", 0)  # absent, and said


def test_values_without_a_name_are_there_too(tmp_path: Path) -> None:
    VolumeTable(tmp_path, {}, []).add(save(tmp_path / "a.nii.gz", 7, 7))
    assert [(row["label"], row["name"], row["voxels"]) for row in rows(tmp_path)] == [("7", "label 7", "2")]


def test_later_scans_are_added(tmp_path: Path) -> None:
    VolumeTable(tmp_path / "new", NAMES, ["a"]).add(save(tmp_path / "a.nii.gz", 1))
    before = (tmp_path / "new" / NAME).read_bytes()
    VolumeTable(tmp_path / "new", NAMES, ["b"]).add(save(tmp_path / "b.nii.gz", 2))
    assert (tmp_path / "new" / NAME).read_bytes().startswith(before)
    assert [row["case"] for row in rows(tmp_path / "new")] == ["a", "a", "b", "b"]


def test_a_scan_that_has_rows_already_is_refused(tmp_path: Path) -> None:
    VolumeTable(tmp_path, NAMES, ["a"]).add(save(tmp_path / "a.nii.gz", 1))
    with pytest.raises(PrepareError, match="has rows of 1 of the scans already, first 'a'"):
        VolumeTable(tmp_path, NAMES, ["b", "a"])


@pytest.mark.parametrize("content", [b"case,mine\n", b"", b"\xff\xfe"])
def test_a_file_of_someone_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(PrepareError, match="is no table of volumes"):
        VolumeTable(tmp_path, NAMES, [])
    assert (tmp_path / NAME).read_bytes() == content
