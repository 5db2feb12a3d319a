from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Case, Cohort, check_cohort, folder_cohort, pair_folders, reorder_label
from atso_monai.errors import CohortError
from atso_monai.phantom import phantom_case
from atso_monai.phantom.dicom import write_dicom_series


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose names hold all that is special to shells, URLs and MONAI: six images, four labels, and litter."""
    root = tmp_path / "my #1 study 100% $HOME Bäuche"
    for n in range(6):
        _touch(root / "scans" / f"p#{n}_0000.nii.gz")
    for n in range(4):
        _touch(root / "labels" / f"p#{n}.nii.gz")
    for litter in ("scans/._p#0_0000.nii.gz", "scans/notes.txt", "scans/old/p#9_0000.nii.gz"):
        _touch(root / litter)
    return root


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_images_without_label_are_reference_cases(study: Path) -> None:
    cohort = folder_cohort(study / "scans", str(study / "labels"), labelled=2, test=1, seed=0)

    assert [len(cohort.labelled), len(cohort.reference), len(cohort.test)] == [2, 3, 1]
    assert {"p#4", "p#5"} < {case.id for case in cohort.reference}
    assert cohort.name == study.name
    assert cohort.labels == {0: "background", 1: "foreground"}
    for case in cohort.labelled:
        assert case.image == study / "scans" / f"{case.id}_0000.nii.gz"
        assert case.label == study / "labels" / f"{case.id}.nii.gz"


def test_relative_folders_become_absolute(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    assert folder_cohort("scans", "labels").labelled[0].image.is_absolute()


def test_the_pairing_is_shown_before_it_is_used(study: Path) -> None:
    _touch(study / "labels" / "orphan.nii.gz")
    shown: list[str] = []

    with pytest.raises(CohortError, match=r"(?s)Names do not tell .*label without image: .*orphan\.nii\.gz.*Rename"):
        folder_cohort(study / "scans", study / "labels", show=shown.append)
    assert shown[0].startswith("6 images, 4 of them with a label:")


def test_the_pairing_is_logged_by_default(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="atso_monai"):
        folder_cohort(study / "scans", study / "labels")
    assert "6 images, 4 of them with a label" in caplog.text


def test_many_open_questions_are_counted(study: Path) -> None:
    for n in range(40):
        _touch(study / "labels" / f"orphan{n}.nii.gz")
    with pytest.raises(CohortError, match=r"and 10 more"):
        folder_cohort(study / "scans", study / "labels")


def test_folders_that_cannot_be_used(study: Path) -> None:
    with pytest.raises(CohortError, match=r"folder of labels does not exist: .*nowhere"):
        pair_folders(study / "scans", study / "nowhere")
    with pytest.raises(CohortError, match="folder of images is no folder"):
        pair_folders(study / "scans" / "notes.txt", study / "labels")
    with pytest.raises(CohortError, match="in folders of their own"):
        pair_folders(study / "scans", study / "labels" / ".." / "scans")
    (study / "empty").mkdir()
    with pytest.raises(CohortError, match="holds no files, but no volume"):
        pair_folders(study / "empty", study / "labels")
    _touch(study / "text" / "a.dcm")
    with pytest.raises(CohortError, match=r"holds other files such as a\.dcm, but no volume \(\.nii\.gz"):
        pair_folders(study / "text", study / "labels")


def test_a_folder_of_a_dicom_series_is_an_image(tmp_path: Path) -> None:
    case = phantom_case(0, shape=(48, 48, 16))
    lps = case.affine @ np.array([[-1.0, 0, 0, 47], [0, -1, 0, 47], [0, 0, 1, 0], [0, 0, 0, 1]])
    write_dicom_series(tmp_path / "scans" / "a", case.image[::-1, ::-1], lps, patient="a")
    (tmp_path / "scans" / "notes").mkdir()
    (tmp_path / "labels").mkdir()
    nib.save(nib.Nifti1Image(case.label, case.affine), tmp_path / "labels" / "a.nii.gz")
    (pair,) = pair_folders(tmp_path / "scans", tmp_path / "labels").pairs
    assert pair.label is not None and (pair.image.name, pair.label.name) == ("a", "a.nii.gz")
    cohort = Cohort("x", {0: "background", 1: "pancreas"}, labelled=(Case("a", pair.image, label=pair.label),))
    (problem,) = [p for p in check_cohort(cohort) if "stored" in str(p)]
    assert "stored as RAS, its image as LPS" in problem.what and "reorder_label" in problem.way_out
    turned = reorder_label(pair.image, pair.label, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(turned).dataobj), case.label[::-1, ::-1])
    mended = Cohort("x", cohort.labels, labelled=(Case("a", pair.image, label=turned),))
    assert not [p for p in check_cohort(mended) if p.case == "a"]
