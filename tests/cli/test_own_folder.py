"""atso_monai/cli/own_folder.py"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.bundle import embedded_bundles
from atso_monai.cli.own_folder import cohort_settings


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for kind, values in (("images", (0, 900)), ("labels", (0, 5))):
        (tmp_path / kind).mkdir()
        for n in range(3):
            array = np.full((8, 9, 10), values[0], np.int16)
            array[2:5, 2:5, 2 + n : 5 + n] = values[1]
            array[6, 6, 6] = 2
            nib.save(nib.Nifti1Image(array, np.diag([1.0, 1.5, 2.0, 1.0])), tmp_path / kind / f"case_{n}.nii.gz")
    return tmp_path / "images", tmp_path / "labels"


def test_each_value_of_the_labels_becomes_a_class(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    own, overlays = cohort_settings(embedded_bundles()["phantom_pancreas"], *folders, {})
    assert own["label_map"] == {2: 1, 5: 2} and own["label_names"] == {1: "label 2", 2: "label 5"}
    assert overlays == ["mr"]
    shown = capsys.readouterr().err
    assert "case_0" in shown and "5 -> class 2" in shown and "MR" in shown


def test_what_the_person_says_stays_and_is_merged(folders: tuple[Path, Path]) -> None:
    asked = {"overrides": {"train": {"epoch_length": 7}}, "label_map": {2: 1, 5: 1}, "test": 1}
    own, _ = cohort_settings(embedded_bundles()["phantom_pancreas"], *folders, asked)
    assert own["overrides"]["train"] == {"voxel_size": [1.0, 1.5, 2.0], "epoch_length": 7}
    assert not {"label_map", "label_names", "test"} & own.keys()


def test_a_bundle_without_such_ids_gets_none_of_them(folders: tuple[Path, Path]) -> None:
    own, overlays = cohort_settings(embedded_bundles()["msd_hippocampus"], *folders, {})
    assert own["overrides"] == {"train": {}, "inference": {}} and overlays == []
