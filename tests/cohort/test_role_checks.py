from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atso_monai.cohort import Case, Cohort
from atso_monai.cohort.role_checks import role_problems


def _told(cohort: Cohort) -> list[str]:
    return [str(problem) for problem in role_problems(cohort)]


def test_a_sound_cohort_has_no_problems(sound: Cohort) -> None:
    assert role_problems(sound) == []
    assert role_problems(sound.blind()) == []
    assert role_problems(sound.revealed()) == []
    assert role_problems(replace(sound, folds=())) == []


def test_no_labelled_case(sound: Cohort) -> None:
    assert _told(replace(sound, labelled=())) == ["cohort: there is no labelled case, so nothing can be learned"]


def test_a_labelled_case_without_label(sound: Cohort) -> None:
    bare = sound.labelled[0].bare()
    told = _told(replace(sound, labelled=(bare, sound.labelled[1])))
    assert told == [f"case 'case_0', {bare.image}: a labelled case without label"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/b", "path separator"),
        ("a\\b", "path separator"),
        ("a\nb", "control character"),
        ("", "is empty"),
        ("  ", "is empty"),
        (".hidden", "begins with a dot"),
        ("..", "begins with a dot"),
        ("x" * 201, "is 201 bytes long"),
        ("肝" * 67, "is 201 bytes long"),
    ],
)
def test_ids_that_are_no_file_names(sound: Cohort, name: str, reason: str) -> None:
    strange = Case(name, Path("/data/x.nii"), label=Path("/data/y.nii"))
    problem = role_problems(replace(sound, test=(strange,)))[0]

    assert reason in problem.what
    assert problem.file == "/data/x.nii"


@pytest.mark.parametrize("name", ["x" * 200, "a #1 100% $HOME", "肝臓 Bäuche", "a.b-c", "a..b"])
def test_ids_that_are_file_names(sound: Cohort, name: str) -> None:
    assert role_problems(replace(sound, test=(Case(name, Path("/x.nii")),))) == []


def test_an_id_in_two_roles_or_twice_in_one(sound: Cohort) -> None:
    case = sound.labelled[0]
    assert _told(replace(sound, test=(case,))) == [
        f"case 'case_0', {case.image}: the same id 2 times: labelled, test",
    ]
    assert "the same id 2 times: labelled, labelled" in _told(replace(sound, labelled=(case, case)))[0]


def test_fewer_reference_cases_than_folds(sound: Cohort) -> None:
    told = _told(replace(sound, reference=sound.reference[:1], folds=(("case_2",), ())))
    assert "cohort: fewer reference cases (1) than folds (2)" in told
    assert "cohort: fold 1 is empty" in told


def test_folds_that_are_no_partition(sound: Cohort) -> None:
    told = _told(replace(sound, folds=(("case_2", "case_4", "case_0"), ("case_2", "case_3"))))
    files = {case.id: case.image for case in sound.reference}
    assert told == [
        f"case 'case_2', {files['case_2']}: a reference case in 2 folds",
        f"case 'case_5', {files['case_5']}: a reference case in 0 folds",
        "case 'case_0': it is in a fold, but is no reference case",
    ]


@pytest.mark.parametrize(
    ("labels", "label_map", "message"),
    [
        ({1: "a"}, None, "labels must be 0, 1, 2, ... up to 255, without gaps. Received: [1]"),
        ({0: "background"}, None, "Received: [0]"),
        ({0: "background", 2: "b"}, None, "Received: [0, 2]"),
        ({0: "background", 1: "a"}, {1: 1, 5: 3}, "label_map gives value 5 the class 3, which is none of [0, 1]"),
    ],
)
def test_labels_that_do_not_fit(sound: Cohort, labels: dict, label_map: dict | None, message: str) -> None:
    told = _told(replace(sound, labels=labels, label_map=label_map))
    assert len(told) == 1
    assert message in told[0]
