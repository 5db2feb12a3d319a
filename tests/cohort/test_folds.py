from __future__ import annotations

import pytest

from atso_monai.cohort import make_folds
from atso_monai.errors import CohortError

IDS = [f"case_{n:03d}" for n in range(23)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 23])
def test_folds_are_a_partition_in_almost_equal_parts(count: int) -> None:
    folds = make_folds(IDS, count, seed=0)

    sizes = [len(fold) for fold in folds]
    assert sorted(i for fold in folds for i in fold) == IDS
    assert len(folds) == count
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_and_not_on_the_order() -> None:
    assert make_folds(IDS, 2, seed=0) == make_folds(IDS[::-1], 2, seed=0)
    assert len({make_folds(IDS, 2, seed=s) for s in range(20)}) == 20


def test_folds_of_a_seed_never_change() -> None:
    assert make_folds("abcdef", 2, seed=0) == (("c", "d", "f"), ("a", "b", "e"))
    assert make_folds([], 0, seed=0) == ()


def test_too_many_folds_and_no_number() -> None:
    with pytest.raises(CohortError, match=r"fewer reference cases \(2\) than folds \(3\)"):
        make_folds(["a", "b"], 3, seed=0)
    with pytest.raises(CohortError, match=r"0 or more\. Received: folds=-1"):
        make_folds(["a", "b"], -1, seed=0)
    with pytest.raises(CohortError, match="folds='2'"):
        make_folds(["a", "b"], "2", seed=0)  # type: ignore[arg-type]
