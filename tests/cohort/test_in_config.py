"""Sources as they stand in bundle configurations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from atso_monai.cohort import Cohort


@pytest.fixture
def study(tmp_path: Path, sound: Cohort) -> Path:
    root = tmp_path / "my #1 study 100% $HOME Bäuche"
    root.mkdir()
    for part in ("images", "labels"):
        (tmp_path / part).rename(root / part)
    return root


def _parsed(tmp_path: Path, config: dict[str, object]) -> Cohort:
    (tmp_path / "atso.json").write_text(json.dumps({"cohort": config}))
    parser = ConfigParser()
    parser.read_config(str(tmp_path / "atso.json"))
    cohort = parser.get_parsed_content("cohort")
    assert isinstance(cohort, Cohort)
    return cohort


def test_a_folder_cohort(study: Path, tmp_path: Path) -> None:
    cohort = _parsed(
        tmp_path,
        {
            "_target_": "atso_monai.cohort.folder_cohort",
            "images": str(study / "images"),
            "labels": str(study / "labels"),
            "labelled": ["case_1", "case_4"],
            "test": 2,
            "label_names": {"0": "background", "1": "organ"},
            "label_map": {"1": 1, "2": 1},
        },
    )
    assert [case.id for case in cohort.labelled] == ["case_1", "case_4"]
    assert all(case.image.is_file() for case in cohort.labelled + cohort.reference + cohort.test)
    assert (cohort.labels, cohort.label_map) == ({0: "background", 1: "organ"}, {1: 1, 2: 1})


def test_an_msd_cohort(study: Path, tmp_path: Path) -> None:
    files = [{"image": f"images/case_{n}.nii.gz", "label": f"labels/case_{n}.nii.gz"} for n in range(8)]
    content = {"name": "x", "labels": {"0": "background", "1": "a"}, "training": files}
    (study / "dataset.json").write_text(json.dumps(content))
    cohort = _parsed(
        tmp_path,
        {"_target_": "atso_monai.cohort.msd_cohort", "dataset_dir": str(study), "labelled": 2, "seed": 3},
    )
    assert len(cohort.reference) == 6
    assert all(case.image.is_file() for case in cohort.reference)


def test_a_cohort_file(study: Path, sound: Cohort, tmp_path: Path) -> None:
    file = sound.save(study / "cohort.json")
    assert _parsed(tmp_path, {"_target_": "atso_monai.cohort.Cohort.load", "path": str(file)}) == sound
