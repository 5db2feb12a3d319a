"""Plans against Algorithm 1 of the paper (Huo et al.) written out by hand, and what must hold for every plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.plan import GIVEN, LABELLED, TEST, TRUTH
from atso_monai.engine.scheme import STRATEGIES
from atso_monai.engine.strategies import epochs_in_all
from atso_monai.engine.tables import epochs_of

Make = Callable[..., Scheme]
S = (LABELLED, GIVEN)


def trainings(plan: Plan, view: str = "axial") -> dict[str, tuple[tuple[tuple[str, str], ...], str | None]]:
    """What each training of one view learns from, and what it starts from."""
    chosen = (s for s in plan.steps if s.kind == "train" and s.view == view)
    return {s.makes.removesuffix(f"/{view}"): (s.sets, s.start) for s in chosen}


def labellers(plan: Plan) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each folder of pseudo labels: the model that writes it, and the cases."""
    found = {}
    for step in plan.steps:
        if step.kind == "predict" and "labels/" in step.makes:
            (model,) = {need.rsplit("/", 1)[0] for need in step.needs}
            found[step.makes] = (model, step.cases)
    return found


# --- Algorithm 1, T = 2. The paper's M^(1) trains on R^(1) and labels R^(2); here a model is named after the fold that
# it labels, so that the paper's M_t^(2) is model/g<t>/f1.


def test_algorithm_1_by_hand(scheme: Make) -> None:
    plan = build_plan(scheme(generations=2))
    assert labellers(plan) == {
        "labels/g1/f1": ("model/g0", ("f1",)),  # line 4, t = 0: both M_0^(1) and M_0^(2) are M_0 (line 2)
        "labels/g1/f2": ("model/g0", ("f2",)),
        "labels/g2/f1": ("model/g1/f1", ("f1",)),  # line 4, t = 1: R^(1) by M_1^(2), R^(2) by M_1^(1)
        "labels/g2/f2": ("model/g1/f2", ("f2",)),
        "labels/final/f1": ("model/g2/f1", ("f1",)),  # "after the last generation asynchronous update of both subsets"
        "labels/final/f2": ("model/g2/f2", ("f2",)),
    }
    assert trainings(plan) == {
        "model/g0": ((S,), None),  # line 1
        "model/g1/f1": ((S, ("f2", "labels/g1/f2")), None),  # line 5, from scratch
        "model/g1/f2": ((S, ("f1", "labels/g1/f1")), None),
        "model/g2/f1": ((S, ("f2", "labels/g2/f2")), None),
        "model/g2/f2": ((S, ("f1", "labels/g2/f1")), None),
        "model/final": ((S, ("f1", "labels/final/f1"), ("f2", "labels/final/f2")), None),  # line 8, as the tables do
    }


def test_algorithm_1_to_the_letter_trains_on_the_labels_of_the_last_generation(scheme: Make) -> None:
    plan = build_plan(scheme(generations=2, final_labels="algorithm_1"))
    assert trainings(plan)["model/final"][0] == (S, ("f1", "labels/g2/f1"), ("f2", "labels/g2/f2"))
    assert build_plan(scheme(generations=1, final_labels="algorithm_1")).step("model/final/axial").sets[1] == (
        "f1",
        "labels/g1/f1",
    )


def test_k_folds_train_on_all_the_other_folds(scheme: Make) -> None:
    plan = build_plan(scheme(folds=4, generations=2))
    for t, k in itertools.product((1, 2), range(1, 5)):
        expected = (S, *((f"f{o}", f"labels/g{t}/f{o}") for o in range(1, 5) if o != k))
        assert trainings(plan)[f"model/g{t}/f{k}"][0] == expected


@pytest.mark.parametrize(
    ("strategy", "starts"), [("stso", [None, None]), ("self_learning", ["model/g0/axial", "model/g1/axial"])]
)
def test_synchronous_strategies_learn_from_all_of_r(scheme: Make, strategy: str, starts: list[str | None]) -> None:
    plan = build_plan(scheme(strategy=strategy))
    assert [start for _, start in trainings(plan).values()] == [None, *starts]
    for t in (1, 2):
        assert trainings(plan)[f"model/g{t}"][0] == (S, ("f1", f"labels/g{t}/f1"), ("f2", f"labels/g{t}/f2"))
    assert labellers(plan)["labels/g2/f1"][0] == "model/g1"
    assert labellers(plan)["labels/final/f2"][0] == "model/g2"
    assert plan.outcomes[0].models == ("model/g2/axial", "model/g2/sagittal")


def test_oracle_and_supervised(scheme: Make) -> None:
    oracle = build_plan(scheme(strategy="oracle"))
    assert trainings(oracle) == {"model/final": ((S, ("f1", TRUTH), ("f2", TRUTH)), None)}
    supervised = build_plan(scheme(strategy="supervised"))
    assert trainings(supervised) == {"model/g0": ((S,), None)}
    assert supervised.outcomes[0].labels == ("labels/g1/f1", "labels/g1/f2")


# --- options


def test_each_generation_has_its_own_model_for_the_tables(scheme: Make) -> None:
    plan = build_plan(scheme(generations=3, evaluate_each_generation=True))
    made = trainings(plan)
    for t in (1, 2):  # the model after the last generation is model/final
        assert made[f"model/g{t}/full"][0] == (S, ("f1", f"labels/g{t + 1}/f1"), ("f2", f"labels/g{t + 1}/f2"))
        assert plan.step(f"predictions/g{t}/full").cases == (TEST,)
    assert "model/g3/full" not in made
    without = build_plan(scheme(generations=3))
    assert {s.makes for s in plan.steps} - {s.makes for s in without.steps} == {
        f"{kind}/g{t}/full{view}"
        for t in (1, 2)
        for kind, view in (("model", "/axial"), ("model", "/sagittal"), ("predictions", ""))
    }


def test_start_from_the_snapshot_of_generation_0(scheme: Make) -> None:
    plan = build_plan(scheme(start="snapshot", evaluate_each_generation=True))
    for step in plan.steps:
        if step.kind == "train" and not step.makes.startswith("model/g0/"):
            assert (step.start, step.snapshot) == (f"model/g0/{step.view}", True)
            assert step.start in step.needs


def test_start_from_the_teacher_is_the_model_that_labelled(scheme: Make) -> None:
    plan = build_plan(scheme(start="teacher"))
    labeller = labellers(plan)
    for name, (sets, start) in trainings(plan).items():
        if name.startswith("model/g") and name != "model/g0":
            assert start == f"{labeller[sets[1][1]][0]}/axial"


def test_without_test_cases_or_diagnostics_nothing_is_predicted_for_them(scheme: Make) -> None:
    plan = build_plan(scheme(test=False, diagnostics=False))
    assert not [s for s in plan.steps if "predictions/" in s.makes]
    assert {score.metric for s in plan.steps for score in s.scores} == {"dsc", "change"}
    with_diagnostics = build_plan(scheme(test=False))
    assert with_diagnostics.step("predictions/g1/f1").cases == ("f2",)


def test_diagnostics_score_what_table_4_shows(scheme: Make) -> None:
    scores = build_plan(scheme()).step("metrics/g1").scores
    shown = {(s.model, s.cases) for s in scores if s.metric == "dsc"}
    assert shown == {
        *itertools.product(("f1", "f2"), ("f1", "f2", TEST)),
        ("labels", "f1"),
        ("labels", "f2"),
    }
    assert {(s.cases, s.left, s.right) for s in scores if s.metric == "agreement"} == {
        ("f1", "labels/g2/f1", "predictions/g1/f2"),
        ("f2", "labels/g2/f2", "predictions/g1/f1"),
    }
    assert {(s.left, s.right) for s in scores if s.metric == "change"} == {
        (f"labels/g2/{fold}", f"labels/g1/{fold}") for fold in ("f1", "f2")
    }


# --- the matched control


@pytest.mark.parametrize("strategy", ["atso", "stso", "self_learning"])
@pytest.mark.parametrize("changes", [{}, {"generations": 3}, {"folds": 3}, {"evaluate_each_generation": True}])
def test_the_matched_control_gets_as_many_epochs(scheme: Make, strategy: str, changes: dict[str, int]) -> None:
    plan = build_plan(scheme(strategy=strategy, compare=("supervised_matched",), **changes))
    matched = plan.step("compare/supervised_matched/model/final/axial")
    assert matched.sets == (S,)
    assert matched.epochs == epochs_of(plan, strategy) == epochs_of(plan, "supervised_matched")


def test_epochs_by_hand(scheme: Make) -> None:
    assert epochs_in_all(scheme(), "atso") == 3 + 2 * 2 * 4 + 4
    assert epochs_in_all(scheme(), "stso") == 3 + 2 * 4
    assert epochs_in_all(scheme(folds=5, generations=3), "atso") == 3 + 3 * 5 * 4 + 4


@pytest.mark.parametrize(
    ("names", "matched"),
    [
        (("atso", "supervised_matched", "stso"), "atso"),
        (("supervised_matched", "stso"), "stso"),
        (("supervised", "supervised_matched", "stso"), "stso"),
        (("supervised_matched",), "atso"),
        (("supervised_matched", "supervised"), "supervised"),
        (("oracle", "supervised_matched", "stso", "atso"), "atso"),
    ],
)
def test_whom_the_control_matches(scheme: Make, names: tuple[str, ...], matched: str) -> None:
    plan = build_plan(scheme(strategy=names[0], compare=names[1:]))
    assert epochs_of(plan, "supervised_matched") == epochs_in_all(scheme(), matched)


# --- what holds for every plan


def all_schemes(make: Make) -> Iterator[Scheme]:
    for strategy, folds, generations in itertools.product(STRATEGIES, (1, 2, 3, 5), (1, 2, 4)):
        if strategy in ("atso", "supervised_matched") and folds == 1:
            continue
        for start, full, last in itertools.product(
            ("scratch", "snapshot", "teacher"), (True, False), ("updated", "algorithm_1")
        ):
            if start == "teacher" and folds > 2 and strategy in ("atso", "supervised_matched"):
                continue
            yield make(
                strategy=strategy, folds=folds, generations=generations, start=start, evaluate_each_generation=full,
                final_labels=last, diagnostics=full, test=not full,
                views=("axial",) if folds == 5 else ("axial", "coronal", "sagittal"),
            )  # fmt: skip
    others = ("supervised", "supervised_matched", "self_learning", "stso", "oracle")
    yield make(compare=others)
    yield make(strategy="stso", compare=("atso", "stso", *others), start="snapshot", test=False)


@pytest.fixture(scope="module")
def plans(scheme: Make) -> list[tuple[Scheme, Plan]]:
    return [(one, build_plan(one)) for one in all_schemes(scheme)]


def used(step: Step) -> set[str]:
    """Every artefact that a step mentions."""
    names = {source for _, source in step.sets} | {step.start} | {s.left for s in step.scores}
    names |= {s.right for s in step.scores}
    return {name for name in names if name not in (GIVEN, TRUTH, None)}  # type: ignore[misc]


def test_each_step_comes_after_all_that_it_needs_and_needs_all_that_it_uses(plans: list[tuple[Scheme, Plan]]) -> None:
    for scheme, plan in plans:
        made: set[str] = set()
        for step in plan.steps:
            assert set(step.needs) <= made, (scheme, step)
            assert used(step) <= set(step.needs), (scheme, step)
            made.add(step.makes)
        assert {name for o in plan.outcomes for name in o.models + o.labels} <= made


def test_names_are_unique_and_no_folder_lies_in_another(plans: list[tuple[Scheme, Plan]]) -> None:
    for _, plan in plans:
        names = [step.makes for step in plan.steps]
        assert len(set(names)) == len(names)
        assert not [(a, b) for a, b in itertools.permutations(names, 2) if b.startswith(f"{a}/")]


def test_only_the_oracle_trains_on_truth(plans: list[tuple[Scheme, Plan]]) -> None:
    for _, plan in plans:
        for step in plan.steps:
            if any(source == TRUTH for _, source in step.sets):
                assert step.strategy == "oracle"
            assert TEST not in [cases for cases, _ in step.sets]


def learned_from(plan: Plan, model: str, with_start: bool) -> set[str]:
    """Reference folds that a model has trained on, the models that it started from included."""
    step = plan.step(model)
    folds = {cases for cases, _ in step.sets} - {LABELLED}
    return folds | (learned_from(plan, step.start, True) if with_start and step.start else set())


def test_no_atso_model_labels_a_fold_that_it_trained_on(plans: list[tuple[Scheme, Plan]]) -> None:
    count = 0
    for scheme, plan in plans:
        for step in plan.steps:
            if step.kind == "predict" and step.strategy == "atso" and "labels/" in step.makes:
                for model in step.needs:
                    assert not learned_from(plan, model, scheme.start != "teacher").intersection(step.cases)
                    count += 1
    assert count > 100


def test_what_a_model_learns_from_was_labelled_by_one_that_had_not_seen_it(plans: list[tuple[Scheme, Plan]]) -> None:
    for _, plan in plans:
        for step in plan.steps:
            if step.kind == "train" and step.strategy == "atso":
                for cases, source in step.sets[1:]:
                    assert plan.step(source).cases == (cases,)


def test_every_training_sees_the_given_labels(plans: list[tuple[Scheme, Plan]]) -> None:
    for _, plan in plans:
        assert all(S in step.sets for step in plan.steps if step.kind == "train")


def test_predictions_use_the_models_of_all_views(plans: list[tuple[Scheme, Plan]]) -> None:
    for scheme, plan in plans:
        for step in plan.steps:
            if step.kind == "predict":
                assert [plan.step(need).view for need in step.needs] == list(scheme.views)


def test_compared_strategies_keep_apart_and_share_generation_0(scheme: Make) -> None:
    plan = build_plan(scheme(compare=("stso", "supervised", "atso")))
    assert [o.strategy for o in plan.outcomes] == ["atso", "stso", "supervised"]
    for step in plan.steps:
        shared = step.generation == "0"
        assert step.makes.startswith(f"compare/{step.strategy}/") == (step.strategy != "atso" and not shared)
    assert len([s for s in plan.steps if s.makes.endswith("model/g0/axial")]) == 1
    alone = build_plan(scheme())
    assert plan.steps[: len(alone.steps)] == alone.steps  # comparing changes nothing in the run itself


def test_a_plan_is_the_same_each_time(plans: list[tuple[Scheme, Plan]]) -> None:
    assert all(build_plan(scheme) == plan for scheme, plan in plans[::10])
