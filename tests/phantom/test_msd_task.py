"""The stand-in of Task07_Pancreas, and what the cohort makes of it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import msd_cohort, require_sound
from atso_monai.errors import CohortError, ConfigError
from atso_monai.files import hash_file
from atso_monai.phantom import write_msd_task

SETTINGS = {"seed": 0, "plane": 24, "slice_distances": [7.5, 10.0, 5.0]}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_msd_task(tmp_path_factory.mktemp("msd") / "Task07_Pancreas", cases=4, unlabelled=2, **SETTINGS)


def test_scans_have_their_distances_and_labels_a_tumour_in_the_pancreas(task: Path) -> None:
    for number, distance in ((1, 7.5), (2, 10.0), (3, 5.0), (4, 7.5)):
        label = nib.load(task / "labelsTr" / f"pancreas_{number:03d}.nii.gz")
        assert label.header.get_zooms()[2] == distance
        values, counts = np.unique(np.asarray(label.dataobj), return_counts=True)
        assert values.tolist() == [0, 1, 2] and counts[2] / counts[1:].sum() == pytest.approx(0.25, abs=0.1)


def test_the_cohort_merges_or_keeps_the_tumour(task: Path, tmp_path: Path) -> None:
    assert (task / "imagesTr" / "._pancreas_001.nii.gz").is_file()
    roles = {"labelled": 1, "test": 2}
    merged = msd_cohort(task, **roles, label_map={1: 1, 2: 1})
    assert merged.labels == {0: "background", 1: "pancreas+cancer"} and len(merged.reference) == 3
    kept = msd_cohort(task, **roles)
    assert kept.labels == {0: "background", 1: "pancreas", 2: "cancer"} and kept.label_map is None
    alone = msd_cohort(task, **roles, label_map={1: 1, 2: 0}, unlabelled=False, folds=1)
    assert len(alone.reference) == 1 and alone.labels[1] == "pancreas"
    for cohort in (merged, kept, alone):
        require_sound(cohort, tmp_path)


def test_it_goes_on_where_it_stopped(task: Path) -> None:
    before = {p: hash_file(p) for p in task.rglob("*.nii.gz")}
    (task / "labelsTr" / "pancreas_002.nii.gz").unlink()
    write_msd_task(task, cases=4, unlabelled=2, **SETTINGS)
    assert {p: hash_file(p) for p in task.rglob("*.nii.gz")} == before
    with pytest.raises(CohortError, match="other settings"):
        write_msd_task(task, cases=4, **{**SETTINGS, "seed": 1})


def test_nonsense_is_refused(tmp_path: Path) -> None:
    for wrong in ({"cases": 0}, {"slice_distances": []}, {"slice_distances": [0.0]}):
        with pytest.raises(ConfigError, match="A task needs at least 1 case"):
            write_msd_task(tmp_path, **{"cases": 1, **SETTINGS, **wrong})
