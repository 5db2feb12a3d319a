"""The stand-in of TCIA's layout."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.errors import CohortError, ConfigError
from atso_monai.files import hash_file
from atso_monai.phantom import case_seed, phantom_case, write_tcia
from atso_monai.phantom.dicom import write_dicom_series
from atso_monai.volume_file import read_volume

SHAPE = (24, 24, 12)


def test_files_lie_where_tcia_puts_them_and_hold_the_same_patient(tmp_path: Path) -> None:
    write_tcia(tmp_path, numbers=[7], seed=2, shape=SHAPE)
    series = next((tmp_path / "Pancreas-CT" / "PANCREAS_0007").glob("*/*"))
    case = phantom_case(case_seed(2, 7), shape=SHAPE)
    label = nib.load(tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0007.nii.gz")
    scan = nib.Nifti1Image(*read_volume(series))
    assert nib.aff2axcodes(scan.affine) == ("L", "P", "S") and nib.aff2axcodes(label.affine) == ("L", "A", "S")
    for found, values in ((scan, case.image), (label, case.label)):
        turned = nib.as_closest_canonical(found)
        assert np.array_equal(turned.dataobj, values) and np.allclose(turned.affine, case.affine, atol=1e-3)


def test_more_cases_may_follow_and_the_same_settings_give_the_same_files(tmp_path: Path) -> None:
    for folder, calls in ((tmp_path / "a", ([1], [1, 2])), (tmp_path / "b", ([2, 1],))):
        for numbers in calls:
            write_tcia(folder, numbers=numbers, seed=0, shape=SHAPE)
    files = [sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in "ab"]
    assert [hash_file(p) for p in files[0]] == [hash_file(p) for p in files[1]]
    with pytest.raises(CohortError, match="other settings"):
        write_tcia(tmp_path / "a", numbers=[3], seed=1, shape=SHAPE)


def test_unknown_defects_and_sheared_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'missing slice'"):
        write_tcia(tmp_path / "x", numbers=[1], seed=0, defects={1: "missing slices"})
    sheared = np.eye(4)
    sheared[1, 2] = 0.5
    with pytest.raises(ConfigError, match="perpendicular"):
        write_dicom_series(tmp_path / "y", np.zeros((3, 3, 3), np.int16), sheared, patient="P")
    assert not (tmp_path / "x").exists() and not (tmp_path / "y").exists()
