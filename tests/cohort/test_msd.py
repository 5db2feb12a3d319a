from __future__ import annotations

import json
from pathlib import Path

import pytest

from atso_monai.cohort import check_cohort, msd_cohort
from atso_monai.errors import CohortError

HIPPOCAMPUS = Path(__file__).parents[2] / ".." / "shared" / "data" / "Task04_Hippocampus"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "Task07_Pancreas"
    folder.mkdir()
    training = [
        {"image": f"./imagesTr/p_{n}.nii.gz", "label": f"./labelsTr/p_{n}.nii.gz"} for n in ["1", "2", "3", "4"]
    ]
    training.append({"image": "./imagesTr/._p_1.nii.gz", "label": "./labelsTr/._p_1.nii.gz"})
    _write(
        folder, training=training, test=["./imagesTs/p_8.nii.gz", "./imagesTs/._p_8.nii.gz", "./imagesTs/p_9.nii.gz"]
    )
    return folder


def _write(folder: Path, **changes: object) -> None:
    content = {"name": "Pancreas", "labels": {"0": "background", "1": "pancreas", "2": "cancer"}, **changes}
    (folder / "dataset.json").write_text(json.dumps(content))


def test_training_cases_have_labels_and_test_cases_are_reference(task: Path) -> None:
    cohort = msd_cohort(task, labelled=2, test=1, seed=0)

    assert [len(cohort.labelled), len(cohort.reference), len(cohort.test)] == [2, 3, 1]
    assert {c.id for c in cohort.reference if c.truth is None} == {"p_8", "p_9"}
    assert cohort.name == "Pancreas"
    assert cohort.labels == {0: "background", 1: "pancreas", 2: "cancer"}
    first = cohort.labelled[0]
    assert (first.image, first.label) == (
        task / "imagesTr" / f"{first.id}.nii.gz",
        task / "labelsTr" / f"{first.id}.nii.gz",
    )


def test_a_label_map_puts_names_together(task: Path) -> None:
    cohort = msd_cohort(task, labelled=2, label_map={"1": 1, "2": 1})
    assert (cohort.labels, cohort.label_map) == ({0: "background", 1: "pancreas+cancer"}, {1: 1, 2: 1})
    assert msd_cohort(task, labelled=2, label_map={1: 1, 2: 1}, label_names={1: "organ"}).labels[1] == "organ"


def test_a_missing_folder_names_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"There is no folder .*Task04.*medicaldecathlon\.com.*download=True"):
        msd_cohort(tmp_path / "Task04_Hippocampus")
    with pytest.raises(CohortError, match=r"has no dataset\.json"):
        msd_cohort(tmp_path)
    with pytest.raises(CohortError, match=r"No data set was given: set dataset_dir"):
        msd_cohort(None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "missing key 'training', so it is no Decathlon data list"),
        ({"training": [{"label": "a"}]}, r"training\[0\]: files must be named by text. Received: None"),
        ({"training": 3}, r"dataset\.json, training: must be a list. Received: 3"),
        ({"training": ["a.nii.gz"]}, r"training\[0\]: must be an object with image and label"),
        ({"training": [], "labels": ["background"]}, r"dataset\.json, labels: must be an object"),
    ],
)
def test_other_data_lists_are_refused(task: Path, changes: dict[str, object], message: str) -> None:
    _write(task, **changes)
    with pytest.raises(CohortError, match=message):
        msd_cohort(task)


def test_download_asks_monai_for_the_task_beside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def fetch(**arguments: object) -> None:
        asked.update(arguments)
        folder = tmp_path / "Task09_Spleen"
        folder.mkdir()
        _write(folder, training=[{"image": f"i{n}.nii", "label": f"l{n}.nii"} for n in range(4)])

    monkeypatch.setattr("monai.apps.download_and_extract", fetch)
    cohort = msd_cohort(tmp_path / "Task09_Spleen", labelled=2, download=True)

    assert len(cohort.reference) == 2
    assert str(asked["url"]).endswith("Task09_Spleen.tar")
    assert (asked["output_dir"], asked["hash_type"]) == (tmp_path, "md5")


def test_download_failures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("monai.apps.download_and_extract", fail)
    with pytest.raises(CohortError, match=r"Could not download Task09_Spleen .*no network here"):
        msd_cohort(tmp_path / "Task09_Spleen", download=True)
    with pytest.raises(CohortError, match=r"knows no task 'Task9_Spleen'. Did you mean 'Task09_Spleen'\?"):
        msd_cohort(tmp_path / "Task9_Spleen", download=True)


@pytest.mark.skipif(not HIPPOCAMPUS.is_dir(), reason="the hippocampus task is not beside the project folder")
def test_the_hippocampus_task_is_sound(tmp_path: Path) -> None:
    cohort = msd_cohort(HIPPOCAMPUS, labelled=4, reference=20, test=60, seed=0)
    assert [len(cohort.labelled), len(cohort.reference), len(cohort.test)] == [4, 20, 60]
    assert [len(fold) for fold in cohort.folds] == [10, 10]
    assert cohort.fingerprint == "ae0ac0bdae0bb859"

    every = msd_cohort(HIPPOCAMPUS, labelled=4, test=60, seed=0)
    assert every.test == cohort.test
    assert len(every.reference) == 116
    assert check_cohort(every, tmp_path) == []
    assert check_cohort(every, tmp_path) == []  # from the kept facts
