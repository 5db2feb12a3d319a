from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from atso_monai.cohort import Case, Cohort
from atso_monai.engine.classes import Classes
from atso_monai.label_maps import LabelTable

TABLE = LabelTable("made up", ("x", "y"), {0: "a", 1: "b", 2: "c"}, {0: 1, 1: 0, 2: 1})
NAMES = {0: "a", 1: "b", 2: "c"}


CASE = Case("frame", Path("frame.png"), label=Path("label.png"))


def test_files_of_either_data_set_become_reduced_classes() -> None:
    cohort = Cohort("made up", NAMES, label_map={7: 0, 8: 1, 9: 255}, ignore=255)
    other = replace(CASE, label_map={3: 2, 4: 255})
    classes = Classes(cohort, TABLE)
    assert classes.names(False) == NAMES and classes.names(True) == {0: "x", 1: "y"}
    assert classes.of_file(CASE, False) == {7: 0, 8: 1, 9: 255}
    assert classes.of_file(CASE, True) == {7: 1, 8: 0, 9: 255}
    assert classes.of_file(other, True) == {3: 1, 4: 255}


def test_files_with_class_indices() -> None:
    cohort = Cohort("made up", NAMES, ignore=255)
    assert Classes(cohort).of_file(CASE, False) is None
    assert Classes(cohort, TABLE).of_file(CASE, True) == {0: 1, 1: 0, 2: 1, 255: 255}


def test_groups_come_after_all_classes() -> None:
    assert Classes(Cohort("made up", NAMES), TABLE).of_group() == {0: 3, 1: 4}
