from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atso_monai.cohort import check_cohort, phantom_cohort
from atso_monai.errors import CohortError


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the generator is asked for; it writes empty files."""
    asked: list[dict[str, Any]] = []

    def write_phantom(
        folder: Path, *, cases: int, seed: int, scanner: str = "own", prefix: str = "phantom", **grid: object
    ) -> list[tuple[str, Path, Path]]:
        asked.append({"cases": cases, "seed": seed, "scanner": scanner, **grid})
        made = []
        for n in range(cases):
            name = f"{prefix}_{n:03d}"
            made.append((name, folder / "images" / f"{name}.nii.gz", folder / "labels" / f"{name}.nii.gz"))
            for path in made[-1][1:]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return made

    fake = ModuleType("atso_monai.phantom")
    fake.write_phantom, fake.SHIFTED = write_phantom, "shifted"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "atso_monai.phantom", fake)
    return asked


def test_all_roles_come_from_one_scanner(orders: list[dict[str, Any]], tmp_path: Path) -> None:
    cohort = phantom_cohort(tmp_path / "ph #1", labelled=2, reference=5, test=3, seed=7, folds=2)

    assert orders == [{"cases": 10, "seed": 7, "scanner": "own"}]
    assert [len(cohort.labelled), len(cohort.reference), len(cohort.test)] == [2, 5, 3]
    assert len(cohort.truths()) == 8
    assert cohort.labels == {0: "background", 1: "pancreas"}


def test_with_a_shift_only_labelled_cases_come_from_the_first_scanner(
    orders: list[dict[str, Any]], tmp_path: Path
) -> None:
    cohort = phantom_cohort(
        tmp_path, labelled=2, reference=5, test=3, seed=7, shift=True, shape=[8, 8, 4], spacing=[2, 2, 4]
    )

    grid = {"shape": (8, 8, 4), "spacing": (2, 2, 4)}
    assert [(order["cases"], order["scanner"]) for order in orders] == [(2, "own"), (8, "shifted")]
    assert orders[0]["seed"] != orders[1]["seed"]
    assert all(order.items() >= grid.items() for order in orders)
    assert [case.image.parent.parent.name for case in cohort.labelled] == 2 * ["first_scanner"]
    assert {case.image.parent.parent.name for case in cohort.reference + cohort.test} == {"second_scanner"}
    assert [case.id for case in cohort.labelled] == ["phantom_000", "phantom_001"]
    assert all(case.id.startswith("shifted") for case in cohort.reference + cohort.test)


@pytest.mark.parametrize("count", [-1, True, "4", None])
def test_counts_must_be_numbers(count: object, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"labelled must be a number of cases to generate. Received"):
        phantom_cohort(tmp_path, labelled=count)  # type: ignore[arg-type]


SMALL = {"labelled": 1, "reference": 2, "test": 1, "seed": 3, "shape": [32, 32, 16]}


@pytest.mark.parametrize("shift", [False, True])
def test_generated_cohorts_are_sound(tmp_path: Path, shift: bool) -> None:
    cohort = phantom_cohort(tmp_path, shift=shift, **SMALL)
    assert check_cohort(cohort) == []
    assert [len(fold) for fold in cohort.folds] == [1, 1]
    assert len(cohort.truths()) == 3


def test_what_is_there_is_kept_and_other_settings_are_refused(tmp_path: Path) -> None:
    first = phantom_cohort(tmp_path, **SMALL)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}

    assert phantom_cohort(str(tmp_path), **SMALL) == first
    with pytest.raises(CohortError, match=r"seed: was 3, now 4"):
        phantom_cohort(tmp_path, **SMALL | {"seed": 4})
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")} == times
