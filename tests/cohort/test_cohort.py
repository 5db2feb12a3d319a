from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from atso_monai.cohort import Case, Cohort
from atso_monai.errors import CohortError


def test_blind_keeps_roles_and_images_and_loses_every_hidden_label(sound: Cohort) -> None:
    blind = sound.blind()

    assert blind.labelled == sound.labelled
    assert [(c.id, c.image) for c in blind.reference] == [(c.id, c.image) for c in sound.reference]
    assert [(c.id, c.image) for c in blind.test] == [(c.id, c.image) for c in sound.test]
    assert not any(c.label or c.truth for c in blind.reference + blind.test)
    assert blind.truths() == {}
    assert blind.fingerprint == sound.fingerprint


def test_blind_leaves_no_trace_of_hidden_files_in_json_or_pickle(sound: Cohort, tmp_path: Path) -> None:
    text = json.dumps(sound.blind().to_json(tmp_path)) + repr(pickle.dumps(sound.blind()))

    assert "labels/case_0.nii.gz" in text
    assert not any(f"labels/case_{n}.nii.gz" in text for n in range(2, 8))


def test_truths_are_those_of_reference_and_test_cases(sound: Cohort) -> None:
    assert sorted(sound.truths()) == ["case_2", "case_3", "case_4", "case_6", "case_7"]
    assert sound.truths()["case_3"].name == "case_3.nii.gz"


def test_revealed_moves_reference_cases_with_truth_to_the_labelled(sound: Cohort) -> None:
    revealed = sound.revealed()

    assert [c.id for c in revealed.labelled] == ["case_0", "case_1", "case_2", "case_3", "case_4"]
    assert all(c.label is not None and c.truth is None for c in revealed.labelled)
    assert [c.id for c in revealed.reference] == ["case_5"]
    assert revealed.folds == (("case_5",),)
    assert revealed.test == sound.test


def test_a_reference_case_cannot_hold_a_label_that_training_would_read(sound: Cohort) -> None:
    with pytest.raises(CohortError, match="Reference case 'case_0' has a label"):
        replace(sound, reference=sound.labelled)
    with pytest.raises(CohortError, match="'case_2' has a truth"):
        replace(sound, test=sound.reference)


def test_fold_gives_its_cases_and_refuses_others(sound: Cohort) -> None:
    assert [c.id for c in sound.fold(1)] == ["case_3", "case_5"]
    with pytest.raises(CohortError, match=r"has 2 folds.*fold 2"):
        sound.fold(2)
    with pytest.raises(CohortError, match=r"Fold 0 .*\['case_9'\]"):
        replace(sound, folds=(("case_9",),)).fold(0)


def test_with_folds_deals_all_reference_cases(sound: Cohort) -> None:
    folds = sound.with_folds(3, seed=1).folds

    assert sorted(i for fold in folds for i in fold) == ["case_2", "case_3", "case_4", "case_5"]
    assert len(folds) == 3


def test_round_trip_through_a_file(sound: Cohort, tmp_path: Path) -> None:
    mapped = replace(sound, label_map={1: 1, 2: 2, 7: 0})

    assert Cohort.load(mapped.save(tmp_path / "cohort.json")) == mapped
    assert [p.name for p in tmp_path.glob("*.part")] == []


def test_paths_below_the_file_are_relative_and_move_with_it(sound: Cohort, tmp_path: Path) -> None:
    outside = replace(sound, labelled=(Case("far", tmp_path.parent / "far.nii.gz", label=Path("/data/far.nii.gz")),))
    content = json.loads(outside.save(tmp_path / "cohort.json").read_text())

    assert content["reference"][0] == {
        "id": "case_2", "image": "images/case_2.nii.gz", "truth": "labels/case_2.nii.gz",
    }  # fmt: skip
    assert content["labelled"][0]["image"] == str(tmp_path.parent / "far.nii.gz")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "cohort.json").rename(moved / "cohort.json")
    assert Cohort.load(moved / "cohort.json").reference[0].image == moved / "images/case_2.nii.gz"


@pytest.mark.parametrize("name", ["a #1", "50%", "$HOME", "a b", "Bäuche 肝臓", "x" * 150, "@ref::1", "'q\"", "~"])
def test_unusual_paths_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    case = Case(name, tmp_path / name / f"{name}.nii.gz", label=tmp_path / f"{name}.nii")
    cohort = Cohort(name, {0: "background", 1: name}, labelled=(case,))

    assert Cohort.load(cohort.save(tmp_path / name / "cohort.json")) == cohort


def test_fingerprint_is_the_documented_hash_of_roles_and_folds(sound: Cohort) -> None:
    text = (
        '{"folds":[["case_2","case_4"],["case_3","case_5"]],"labelled":["case_0","case_1"],'
        '"reference":["case_2","case_3","case_4","case_5"],"test":["case_6","case_7"]}'
    )
    assert sound.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_fingerprint_ignores_names_paths_and_order_and_sees_roles_and_folds(sound: Cohort) -> None:
    renamed = replace(sound, name="other", labels={0: "b", 1: "x"}, test=tuple(reversed(sound.test)))
    same = replace(renamed, labelled=tuple(Case(c.id, Path("/x") / c.image.name) for c in sound.labelled))
    assert same.fingerprint == sound.fingerprint

    assert replace(sound, test=sound.test[:1]).fingerprint != sound.fingerprint
    assert replace(sound, folds=tuple(reversed(sound.folds))).fingerprint != sound.fingerprint


def test_a_changed_file_is_refused_until_its_fingerprint_is_taken_out(sound: Cohort, tmp_path: Path) -> None:
    content = sound.to_json(tmp_path)
    content["test"] = content["test"][:1]  # type: ignore[index]

    with pytest.raises(CohortError, match=f"my.json: its fingerprint is {sound.fingerprint}.*was changed"):
        Cohort.from_json(content, tmp_path, "my.json")
    del content["fingerprint"]
    assert len(Cohort.from_json(content, tmp_path).test) == 1
