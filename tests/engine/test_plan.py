from __future__ import annotations

import pytest

from atso_monai.engine import Plan, Step, pending
from atso_monai.engine.plan import fold_name

A = Step("a", "train")
B = Step("b", "predict", needs=("a",))
C = Step("c", "train", needs=("b",))
D = Step("d", "train")


@pytest.mark.parametrize(
    ("done", "reasons"),
    [
        ("abcd", {}),
        ("", {A: "not made yet", B: "needs a", C: "needs b", D: "not made yet"}),
        ("bcd", {A: "not made yet", B: "needs a", C: "needs b"}),
        ("acd", {B: "not made yet", C: "needs b"}),
        ("abd", {C: "not made yet"}),
        ("abc", {D: "not made yet"}),
    ],
)
def test_pending_names_what_is_to_do_and_why(done: str, reasons: dict[Step, str]) -> None:
    found = pending([A, B, C, D], set(done))
    assert found == reasons
    assert list(found) == list(reasons)  # in plan order


def test_pending_of_nothing() -> None:
    assert pending([], ()) == {}


def test_a_plan_finds_its_steps() -> None:
    plan = Plan((A, B))
    assert plan.step("b") is B
    with pytest.raises(KeyError, match="x"):
        plan.step("x")


def test_folds_are_named_from_one() -> None:
    assert [fold_name(k) for k in range(3)] == ["f1", "f2", "f3"]
