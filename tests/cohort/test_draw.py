from __future__ import annotations

from collections import Counter

from atso_monai.cohort.draw import drawn_order


def test_a_draw_is_a_permutation_that_ignores_the_order_of_its_ids() -> None:
    ids = [f"{n}" for n in range(50)]

    assert sorted(drawn_order(ids, 3, "test")) == sorted(ids)
    assert drawn_order(ids, 3, "test") == drawn_order(ids[::-1], 3, "test")


def test_seeds_and_purposes_draw_on_their_own() -> None:
    ids = [f"{n}" for n in range(50)]

    assert drawn_order(ids, 3, "test") != drawn_order(ids, 3, "labelled")
    assert drawn_order(ids, 3, "test") != drawn_order(ids, 4, "test")


def test_the_draw_of_a_seed_never_changes() -> None:
    assert drawn_order("abcdef", 0, "test") == ["f", "c", "e", "d", "a", "b"]


def test_every_case_is_first_about_as_often() -> None:
    first = Counter(drawn_order("abcd", seed, "labelled")[0] for seed in range(2000))
    assert all(420 < n < 580 for n in first.values())
