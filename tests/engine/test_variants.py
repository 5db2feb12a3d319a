"""Strategies by configuration: section 5.2 of the paper written out by hand, and what no plan can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from atso_monai.engine import Plan, Scheme, build_plan
from atso_monai.engine.plan import GIVEN, LABELLED
from atso_monai.engine.tables import epochs_of
from atso_monai.errors import ConfigError

Make = Callable[..., Scheme]
S = (LABELLED, GIVEN)
ROUTE = {
    "atso_5": {"kind": "atso", "reduced": True},
    "stso_5": {"kind": "stso", "reduced": True},
    "target": {"kind": "stso", "after": "atso_5", "generations": 1, "overlay": "target"},
    "atso_5_to_19": {"kind": "self_learning", "after": "target", "generations": 1, "overlay": "finetune"},
}


@pytest.fixture
def plan(scheme: Make) -> Plan:
    return build_plan(scheme(strategy="atso_5_to_19", compare=("atso",), variants=ROUTE, views=("axial",)))


def test_the_route_of_section_5_2_by_hand(plan: Plan) -> None:
    steps = {s.makes.removesuffix("/axial"): s for s in plan.steps if s.kind == "train"}
    first, five = steps["base/reduced/model/g0"], steps["compare/atso_5/model/g2/f1"]
    assert first.sets == (S,) and first.reduced and first.overlay == ""
    assert five.reduced and not five.grouped and five.sets == (S, ("f2", "compare/atso_5/labels/g2/f2"))
    target = steps["compare/target/model/g1"]
    labels = "compare/atso_5/labels/final"
    assert target.sets == (S, ("f1", f"{labels}/f1"), ("f2", f"{labels}/f2")) and target.start is None
    assert (target.reduced, target.grouped, target.overlay) == (False, True, "target")
    last = steps["model/g1"]
    labels = "compare/target/labels/final"
    assert last.sets == (S, ("f1", f"{labels}/f1"), ("f2", f"{labels}/f2"))
    assert (last.start, last.grouped, last.overlay) == ("compare/target/model/g1/axial", False, "finetune")
    assert steps["model/g0"].strategy == "atso" and not steps["model/g0"].reduced


def test_every_step_comes_after_what_it_needs(plan: Plan) -> None:
    made: set[str] = set()
    for step in plan.steps:
        assert made.issuperset(step.needs), step.makes
        made.add(step.makes)


def test_labels_of_other_classes_are_never_compared(plan: Plan) -> None:
    reduced = {step.makes: step.reduced for step in plan.steps}
    for step in plan.steps:
        for score in step.scores:
            assert reduced[score.left] == step.reduced
            assert score.right == "truth" or reduced[score.right] == step.reduced


def test_variants_of_the_same_classes_share_their_first_model(scheme: Make) -> None:
    plan = build_plan(scheme(strategy="atso", compare=("atso_5", "stso_5"), variants=ROUTE))
    first = [s.makes for s in plan.steps if s.kind == "train" and "/g0/" in s.makes and s.view == "axial"]
    assert first == ["model/g0/axial", "base/reduced/model/g0/axial"]
    assert [o.first for o in plan.outcomes] == ["0", "0 reduced", "0 reduced"]


def test_epochs_count_what_went_before(plan: Plan) -> None:
    atso = 3 + 2 * 2 * 4 + 4
    assert epochs_of(plan, "atso_5") == epochs_of(plan, "atso") == atso
    # the target needs the labels of ATSO's last fold models, not its final model
    assert epochs_of(plan, "target") == atso - 4 + 4 and epochs_of(plan, "atso_5_to_19") == atso + 4


def test_a_scheme_is_read_back_from_what_a_run_records(scheme: Make) -> None:
    made = scheme(strategy="atso_5_to_19", variants=ROUTE)
    again = Scheme(**{k: tuple(v) if isinstance(v, list) else v for k, v in asdict(made).items()})
    assert again == made and build_plan(again) == build_plan(made)


def test_plans_without_variants_have_no_overlay(scheme: Make) -> None:
    plan = build_plan(scheme(compare=("supervised", "stso", "oracle"), variants=ROUTE))
    assert not any(step.overlay or step.reduced or step.grouped for step in plan.steps)


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"atso": {"kind": "stso"}}, "name of its own"),
        ({"a b": {"kind": "stso"}}, "name of its own"),
        ({"mine": {"kind": "supervised_matched"}}, "variants kind must be one of"),
        ({"mine": {"generations": 2}}, "needs a kind"),
        ({"mine": {"kind": "stso", "overlai": "x"}}, "no setting 'overlai'. Did you mean 'overlay'"),
        ({"mine": {"kind": "stso", "generations": 0}}, "whole number from 1"),
        ({"mine": {"kind": "stso", "after": "atzo"}}, "Did you mean 'atso'"),
        ({"a": {"kind": "stso", "after": "b"}, "b": {"kind": "stso", "after": "a"}}, "wait for each other"),
        ({"mine": {"kind": "oracle", "after": "atso"}}, "can have no after"),
        (
            {"mine": {"kind": "self_learning", "after": "five"}, "five": {"kind": "stso", "reduced": True}},
            "starts with the weights of five, which has other classes",
        ),
        ({"mine": {"kind": "stso", "after": "atso", "reduced": True}}, "must have them too"),
        ({"mine": "stso"}, "must map"),
    ],
)
def test_what_no_variant_can_be(scheme: Make, variants: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scheme(variants=variants)


def test_folds_are_asked_for_by_what_a_variant_follows(scheme: Make) -> None:
    with pytest.raises(ConfigError, match="folds must be a whole number of at least 2"):
        scheme(strategy="target", variants=ROUTE, folds=1)
