"""NIH Pancreas-CT on stand-ins in TCIA's layout."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort, nih_cohort, nih_splits, require_sound
from atso_monai.cohort.draw import drawn_order
from atso_monai.errors import CohortError, ConfigError
from atso_monai.files import hash_file, read_json
from atso_monai.phantom import case_seed, phantom_case, write_tcia

SHAPE = (32, 32, 14)
NUMBERS = (1, 3, 4, 25)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    defects = {3: "flipped label", 4: "no label header", 25: "withdrawn"}
    return write_tcia(tmp_path_factory.mktemp("tcia"), numbers=NUMBERS, seed=0, shape=SHAPE, defects=defects)


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "NIH data #1"))


def cohort_of(folder: Path, **changes: object) -> Cohort:
    told: list[str] = []
    roles = {"split": None, "labelled": 1, "reference": 1, "test": 1, "folds": 1, "show": told.append}
    found = nih_cohort(folder, **{**roles, **changes})  # type: ignore[arg-type]
    object.__setattr__(found, "told", told)
    return found


def canonical(path: Path) -> nib.Nifti1Image:
    return nib.as_closest_canonical(nib.load(path))


def test_every_scan_and_label_arrives_where_the_patient_had_them(folder: Path) -> None:
    cohort = cohort_of(folder)
    cases = [c.as_labelled() for c in (*cohort.labelled, *cohort.reference, *cohort.test)]
    assert sorted(c.id for c in cases) == [f"PANCREAS_{n:04d}" for n in (1, 3, 4)]
    for case in cases:
        truth = phantom_case(case_seed(0, int(case.id[-4:])), shape=SHAPE)
        for file, values in ((case.image, truth.image), (case.label, truth.label)):
            assert file is not None
            found = canonical(file)
            assert np.array_equal(found.dataobj, values) and np.allclose(found.affine, truth.affine, atol=1e-3)
        assert (folder / "prepared" / "overlays" / f"{case.id}.png").stat().st_size > 1000
    require_sound(cohort)


def test_the_withdrawn_case_is_left_out_with_a_message(folder: Path) -> None:
    assert any("PANCREAS_0025" in line and "withdrew" in line for line in cohort_of(folder).told)


def test_sources_stay_as_they_are_and_nothing_is_done_twice(folder: Path) -> None:
    sources = [p for p in folder.rglob("*") if p.is_file()]
    before = {p: hash_file(p) for p in sources}
    first = cohort_of(folder)
    assert {p: hash_file(p) for p in sources} == before
    times = {p: p.stat().st_mtime_ns for p in (folder / "prepared").rglob("*")}
    again = cohort_of(folder)
    assert again == first and len(again.told) == 1
    assert {p: p.stat().st_mtime_ns for p in (folder / "prepared").rglob("*")} == times


def test_a_changed_source_is_converted_anew(folder: Path) -> None:
    cohort_of(folder)
    label = folder / "TCIA_pancreas_labels-02-05-2017" / "label0001.nii.gz"
    label.write_bytes(gzip.compress(gzip.decompress(label.read_bytes()), 9))
    assert [line for line in cohort_of(folder).told if "PANCREAS_0001" in line]


def test_the_record_tells_where_a_label_came_from_and_why_it_lies_so(folder: Path) -> None:
    cohort_of(folder, prepared_dir=folder.parent / "elsewhere")
    record = read_json(folder.parent / "elsewhere" / "records" / "PANCREAS_0003.json")
    assert record["label"].endswith("label0003.nii.gz") and record["series"].endswith("Pancreas-1")
    assert not record["alignment"]["header_agrees"] and "scan alone" in record["alignment"]["reason"]
    assert not (folder / "prepared").exists()


def test_converted_cases_need_their_sources_no_more(folder: Path, tmp_path: Path) -> None:
    cohort_of(folder)
    shutil.move(folder / "prepared", tmp_path / "cluster")
    shutil.rmtree(folder)
    cohort = cohort_of(tmp_path / "cluster", exclude=["PANCREAS_0001"], labelled=None, reference=0, test=0, folds=0)
    assert [c.id for c in cohort.labelled] == [f"PANCREAS_{n:04d}" for n in (3, 4)]
    require_sound(cohort)


def test_a_folder_further_up_is_searched(folder: Path) -> None:
    (folder / "manifest-1").mkdir()
    (folder / "Pancreas-CT").rename(folder / "manifest-1" / "Pancreas-CT")
    assert len(cohort_of(folder).labelled) == 1


def test_all_faults_are_told_at_once_with_case_and_folder(tmp_path: Path) -> None:
    defects = {2: "missing slice", 3: "slice twice", 4: "two series", 5: "withdrawn"}
    folder = write_tcia(tmp_path / "d", numbers=[1, 2, 3, 4, 5], seed=1, shape=(24, 24, 12), defects=defects)
    with pytest.raises(CohortError) as error:
        cohort_of(folder, labelled=1, reference=0, test=0, folds=0)
    text = str(error.value)
    for number, what in (
        (2, "missing or unevenly"),
        (3, "there twice"),
        (4, "2 DICOM folders"),
        (5, "no DICOM series"),
    ):
        line = next(line for line in text.splitlines() if f"PANCREAS_000{number}" in line and what in line)
        assert str(folder) in line or number == 5
    rest = [f"PANCREAS_000{n}" for n in (2, 3, 4, 5)]
    assert len(cohort_of(folder, labelled=1, reference=0, test=0, folds=0, exclude=rest).labelled) == 1


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"split": "62-20", "test": None}, CohortError, "needs all of its cases; 77 are not there: PANCREAS_0002"),
        ({"split": "63-20"}, ConfigError, "Did you mean '62-20'"),
        ({"split": "fold-1"}, CohortError, "fixes the test set"),
        ({"labelled": "10%"}, CohortError, "split is null"),
        ({"exclude": ["PANCREAS_0099"]}, CohortError, "exclude names PANCREAS_0099"),
    ],
)
def test_settings_that_do_not_fit_are_refused(original: Path, settings: dict, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        cohort_of(original, **settings)


def test_a_folder_without_the_data_set_is_refused(tmp_path: Path) -> None:
    for folder, message in ((None, "No data set was given"), (tmp_path, "no folders"), (tmp_path / "x", "no folder")):
        with pytest.raises(CohortError, match=message):
            nih_cohort(folder)


def test_the_splits_are_what_their_sources_say() -> None:
    everyone = {f"PANCREAS_{n:04d}" for n in range(1, 83)} - {"PANCREAS_0025", "PANCREAS_0070"}
    splits = nih_splits()
    assert set(splits) == {"62-20", "fold-1", "fold-2", "fold-3", "fold-4"}
    folds = [splits[f"fold-{k}"].test for k in (1, 2, 3, 4)]
    assert sorted(i for fold in folds for i in fold) == sorted(everyone)
    for k, fold in enumerate(folds):
        assert list(fold) == [i for i in rstn_test_fold(k) if i in everyone]
    for name, split in splits.items():
        assert {*split.test, *split.training} == everyone and not {*split.test} & {*split.training}
        order = drawn_order(split.training, 0, f"nih {name} labelled")
        assert sorted(order[:6]) == list(split.labelled["10%"]) and sorted(order[:12]) == list(split.labelled["20%"])
    assert len(splits["62-20"].training) == 62 - 1 and len(splits["62-20"].test) == 20 - 1


def rstn_test_fold(k: int) -> list[str]:
    """``in_training_set`` of OrganSegRSTN, the other way round."""
    remainder, size = 4 - 82 % 4, (82 - 82 % 4) // 4
    start, end = size * k + max(0, k - remainder), size * (k + 1) + max(0, k + 1 - remainder)
    return [f"PANCREAS_{i + 1:04d}" for i in range(start, end)]
