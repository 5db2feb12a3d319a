from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cohort import Case, Cohort, split
from atso_monai.errors import CohortError

WITH = [Case(f"with_{n:02d}", Path(f"/i/with_{n:02d}.nii"), label=Path(f"/l/with_{n:02d}.nii")) for n in range(20)]
BARE = [Case(f"bare_{n:02d}", Path(f"/i/bare_{n:02d}.nii")) for n in range(10)]


def ids(cases: tuple[Case, ...]) -> list[str]:
    return [case.id for case in cases]


def test_numbers_fill_the_roles_without_overlap() -> None:
    cohort = split(WITH + BARE, labelled=4, reference=12, test=5, seed=0, folds=3)

    assert [len(cohort.labelled), len(cohort.reference), len(cohort.test)] == [4, 12, 5]
    assert len({*ids(cohort.labelled), *ids(cohort.reference), *ids(cohort.test)}) == 21
    assert all(case.label is not None for case in cohort.labelled + cohort.test)
    assert sorted(i for fold in cohort.folds for i in fold) == ids(cohort.reference)
    assert len(cohort.folds) == 3


def test_reference_cases_keep_what_is_known_as_truth_only() -> None:
    cohort = split(WITH + BARE, labelled=4, test=5, seed=0)

    assert len(cohort.reference) == 21
    assert all(case.label is None for case in cohort.reference)
    assert {case.id for case in cohort.reference if case.truth} == {c for c in ids(cohort.reference) if "with" in c}


def test_none_takes_all_that_remain() -> None:
    cohort = split(WITH + BARE, test=5, seed=0)
    assert [len(cohort.labelled), len(cohort.reference)] == [15, 10]

    counted = split(WITH + BARE, reference=13, seed=0)
    assert [len(counted.labelled), len(counted.reference), len(counted.test)] == [17, 13, 0]
    assert {c.id for c in BARE} < {*ids(counted.reference)}


def test_the_order_of_the_pool_plays_no_part() -> None:
    shuffled = random.Random(1).sample(WITH + BARE, 30)
    assert split(shuffled, labelled=4, test=5, seed=2) == split(WITH + BARE, labelled=4, test=5, seed=2)


def test_seeds_differ() -> None:
    assert len({split(WITH, labelled=4, test=5, seed=s).fingerprint for s in range(20)}) == 20


def test_the_test_set_stays_and_labelled_sets_are_nested() -> None:
    few, many = (split(WITH + BARE, labelled=n, test=5, seed=0) for n in (3, 9))

    assert few.test == many.test
    assert {*ids(few.labelled)} < {*ids(many.labelled)}


def test_lists_are_taken_as_they_are_and_draws_fill_the_rest() -> None:
    cohort = split(WITH + BARE, labelled=["with_03", "with_01"], reference=6, test=["with_19"], seed=0)

    assert ids(cohort.labelled) == ["with_01", "with_03"]
    assert ids(cohort.test) == ["with_19"]
    assert len(cohort.reference) == 6


def test_listed_cases_are_out_of_reach_of_draws() -> None:
    chosen = [case.id for case in WITH[:15]]
    cohort = split(WITH, labelled=2, reference=chosen, test=3, seed=0)
    assert not {*ids(cohort.labelled), *ids(cohort.test)} & {*chosen}


def test_labels_and_name_reach_the_cohort() -> None:
    cohort = split(WITH, labelled=4, label_names={"1": "organ"}, label_map={"1": 1, "2": 1}, name="x")
    assert (cohort.name, cohort.labels, cohort.label_map) == ("x", {0: "background", 1: "organ"}, {1: 1, 2: 1})


def test_zero_folds_for_a_cohort_without_reference_cases() -> None:
    cohort: Cohort = split(WITH, test=5, folds=0)
    assert (cohort.reference, cohort.folds) == ((), ())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labelled": 4, "test": 17}, "labelled=4 cases were asked for, but 3 cases with a label are left"),
        ({"labelled": 4, "test": 17}, "the pool has 30 cases, 20 of them with a label, and test took 17"),
        ({"test": 21}, "test=21 cases were asked for, but 20 cases with a label are left"),
        ({"labelled": 4, "reference": 27}, "reference=27 cases were asked for, but 26 cases are left"),
        ({"labelled": 10, "reference": 1}, "fewer reference cases (1) than folds (2)"),
        ({"labelled": -1}, "labelled must be a number of cases or a list of case ids. Received: labelled=-1"),
        ({"labelled": True}, "labelled=True"),
        ({"test": "with_01"}, "test must be a number of cases or a list of case ids. Received: test='with_01'"),
        ({"reference": 2.0}, "reference=2.0"),
        ({"labelled": ["wth_01"]}, "'wth_01' is no case of this pool. Did you mean 'with_01'?"),
        ({"labelled": ["with_01", "with_01"]}, "'with_01' is listed 2 times"),
        ({"labelled": ["with_01"], "test": ["with_01"]}, "'with_01' is listed as labelled too"),
        ({"labelled": ["bare_01"]}, "'bare_01' has no label file, so it can only be a reference case"),
        ({"test": ["bare_01"]}, "'bare_01' has no label file"),
    ],
)
def test_what_cannot_be_done_is_refused_with_numbers_and_names(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(CohortError) as caught:
        split(WITH + BARE, seed=0, **asked)
    assert message in str(caught.value)


def test_all_faults_of_a_list_come_at_once() -> None:
    with pytest.raises(CohortError, match=r"(?s)nobody.*bare_02"):
        split(WITH + BARE, labelled=["bare_02", "nobody"])


def test_ids_must_be_unique() -> None:
    with pytest.raises(CohortError, match="occur more than once: with_00"):
        split([*WITH, WITH[0]])
