"""Cohorts of several sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from atso_monai.cohort import Case, Cohort, joined_cohort, msd_cohort, nih_cohort, require_sound
from atso_monai.errors import CohortError
from atso_monai.phantom import write_msd_task, write_tcia


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two sources")
    write_tcia(folder / "nih", numbers=[1, 2, 25], seed=3, shape=(32, 32, 16), defects={25: "withdrawn"})
    write_msd_task(folder / "msd", cases=4, unlabelled=2, seed=4, plane=32, slice_distances=[7.5, 10])
    return folder


def sources(data: Path) -> dict[str, object]:
    nih = {"split": None, "labelled": None, "reference": 0, "folds": 0}
    msd = {"labelled": 0, "test": 1, "folds": 0, "label_map": {1: 1, 2: 1}, "label_names": {1: "pancreas"}}
    return {"nih": nih_cohort(data / "nih", **nih), "msd": lambda: msd_cohort(data / "msd", **msd)}


def test_roles_ids_and_label_maps_stay_with_their_sources(data: Path, tmp_path: Path) -> None:
    cohort = joined_cohort(sources(data), folds=2, seed=1)
    assert [c.id for c in cohort.labelled] == ["nih_PANCREAS_0001", "nih_PANCREAS_0002"]
    assert len(cohort.reference) == 5 and len(cohort.test) == 1 and cohort.labels == {0: "background", 1: "pancreas"}
    assert sorted(i for fold in cohort.folds for i in fold) == sorted(c.id for c in cohort.reference)
    assert all(cohort.label_map_of(c) is None for c in cohort.labelled)
    assert all(cohort.label_map_of(c) == {1: 1, 2: 1} for c in (*cohort.reference, *cohort.test))
    require_sound(cohort)
    assert Cohort.load(cohort.save(tmp_path / "cohort.json")) == cohort
    assert all(c.label_map == {1: 1, 2: 1} for c in cohort.blind().test)
    assert {c.id: c.label_map for c in cohort.revealed().labelled if c.id.startswith("msd")} == {
        c.id: {1: 1, 2: 1} for c in cohort.reference if c.truth is not None
    }


def test_a_value_that_only_one_source_maps_is_found_in_the_other(data: Path) -> None:
    msd = msd_cohort(data / "msd", labelled=0, test=1, folds=0, label_map={1: 1}, label_names={1: "pancreas"})
    with pytest.raises(CohortError, match="values 2, declared are 0, 1"):
        require_sound(joined_cohort({**sources(data), "msd": msd}))


def test_unlabelled_cases_come_on_request(data: Path) -> None:
    assert len(joined_cohort(sources(data)).reference) == 5
    few = msd_cohort(data / "msd", labelled=1, test=1, unlabelled=False)
    assert len(few.reference) == 2 and all(case.truth is not None for case in few.reference)


def test_in_a_configuration(data: Path) -> None:
    nih = {"_target_": "atso_monai.cohort.nih_cohort", "_mode_": "callable", "dataset_dir": str(data / "nih")}
    msd = {"_target_": "atso_monai.cohort.msd_cohort", "_mode_": "callable", "dataset_dir": str(data / "msd")}
    nih |= {"split": None, "labelled": None, "reference": 0, "folds": 0}
    msd |= {"labelled": 0, "test": 1, "folds": 0, "label_map": {1: 1, 2: 1}, "label_names": {1: "pancreas"}}
    config = {"_target_": "atso_monai.cohort.joined_cohort", "_mode_": "callable", "sources": {"nih": nih, "msd": msd}}
    made = ConfigParser({"cohort": config}).get_parsed_content("cohort")()
    assert made == joined_cohort(sources(data))


def test_classes_that_differ_are_refused() -> None:
    first = Cohort("a", {0: "background", 1: "pancreas"}, labelled=(Case("x", Path("x.nii"), label=Path("y.nii")),))
    other = Cohort("b", {0: "background", 1: "liver"})
    with pytest.raises(CohortError, match="classes of the sources differ"):
        joined_cohort({"a": first, "b": other}, folds=0)
    joined_cohort({"a": first, "b": other}, folds=0, label_names={1: "organ"})
    for wrong in ({}, {"": first}):
        with pytest.raises(CohortError, match="sources needs"):
            joined_cohort(wrong)
