from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cohort import Case, Cohort
from atso_monai.engine.orders import draft, step_seed
from atso_monai.engine.plan import TRUTH
from atso_monai.errors import ConfigError

Make = Callable[..., Any]
BLIND = ("supervised", "supervised_matched", "self_learning", "stso", "atso")


def ids(cohort: Cohort, k: int) -> list[str]:
    return [case.id for case in cohort.fold(k)]


# --- what a step is told


def test_first_training_learns_from_the_labelled_cases(described: Make, cohort: Cohort) -> None:
    run = described()
    run.write()
    expected = [{"id": c.id, "image": str(c.image), "label": str(c.label)} for c in cohort.labelled]
    assert run.datalist("model/g0/axial") == expected
    config = run.config("model/g0/axial")
    assert (config["view"], config["max_epochs"], config["checkpoint_in"], config["run_seed"]) == ("axial", 3, None, 0)
    assert config["seed"] == step_seed(0, "model/g0/axial")
    assert config["datalist"] == "datalist.json"
    assert config["output_dir"] == "repeat"
    assert config["cache_dir"] == "../../../cache"


def test_a_student_learns_from_pseudo_labels_by_relative_path(described: Make, cohort: Cohort) -> None:
    run = described()
    run.write()
    items = run.datalist("model/g2/f1/axial")
    assert [item["id"] for item in items] == [c.id for c in cohort.labelled] + ids(cohort, 1)
    for item in items[3:]:
        assert item["label"] == f"../../../../labels/g2/f2/{item['id']}.nii.gz"


def test_predictions_get_images_and_the_weights_of_each_view(described: Make, cohort: Cohort) -> None:
    run = described()
    run.write()
    assert run.datalist("predictions/g1/f1") == [
        {"id": c.id, "image": str(c.image)} for c in (*cohort.test, *cohort.fold(1))
    ]
    assert run.config("predictions/g1/f1")["checkpoints"] == {
        "axial": "../../../model/g1/f1/axial/model.pt",
        "sagittal": "../../../model/g1/f1/sagittal/model.pt",
    }
    assert run.drafts["labels/g2/f1"].order.expected == tuple(f"{name}.nii.gz" for name in ids(cohort, 0))


@pytest.mark.parametrize(
    ("start", "step", "path"),
    [
        ("snapshot", "model/g2/f1/axial", "../../../g0/axial/snapshot.pt"),
        ("teacher", "model/g2/f1/axial", "../../../g1/f2/axial/model.pt"),
        ("teacher", "model/g1/f1/axial", "../../../g0/axial/model.pt"),
    ],
)
def test_where_a_student_starts(described: Make, start: str, step: str, path: str) -> None:
    run = described(start=start)
    run.write()
    assert run.config(step)["checkpoint_in"] == path
    expected = ("model.pt", "snapshot.pt") if start == "snapshot" else ("model.pt",)
    assert run.drafts["model/g0/axial"].order.expected == expected
    assert run.drafts[step].order.expected == ("model.pt",)


def test_label_maps_travel_with_given_labels_and_truth_alone(described: Make, cohort: Cohort) -> None:
    mapped = replace(cohort, labels={0: "background", 1: "all"}, label_map={1: 1, 2: 1})
    run = described(mapped, compare=("oracle",))
    run.write()
    for makes in ("model/g1/f1/axial", "compare/oracle/model/final/axial"):
        for item in run.datalist(makes):
            given = "labels/g" not in item["label"]
            assert item.get("label_map") == ({"1": 1, "2": 1} if given else None)
    for pair in run.datalist("metrics/g1")["pairs"]:
        assert ("right_map" in pair) == (pair["columns"]["metric"] == "dsc")


def test_cases_of_several_sources_keep_their_own_label_maps(described: Make, cohort: Cohort) -> None:
    def own(cases: tuple[Case, ...], mapping: dict[int, int]) -> tuple[Case, ...]:
        return tuple(replace(case, label_map=mapping) for case in cases)

    mixed = replace(
        cohort,
        labelled=own(cohort.labelled, {1: 2, 2: 1}),
        reference=own(cohort.reference, {1: 1, 2: 2}),
        test=own(cohort.test, {1: 1, 2: 0}),
    )
    run = described(mixed, strategy="oracle")
    run.write()
    cases = (*mixed.labelled, *mixed.reference, *mixed.test)
    maps = {c.id: {str(a): b for a, b in (c.label_map or {}).items()} for c in cases}
    items = {item["id"]: item["label_map"] for item in run.datalist("model/final/axial")}
    assert items == {c.id: maps[c.id] for c in (*mixed.labelled, *mixed.reference)}
    scores = [run.datalist(step.makes)["pairs"] for step in run.plan.steps if step.kind == "score"]
    pairs = [pair for step in scores for pair in step]
    assert {pair["columns"]["set"] for pair in pairs} == {"test", "reference"}
    assert all(pair["right_map"] == maps[pair["columns"]["case"]] for pair in pairs)


def test_scores_compare_with_what_is_known(described: Make, cohort: Cohort) -> None:
    known, unknown = cohort.reference[0], cohort.reference[1]
    partly = replace(cohort, reference=(known, unknown.bare(), *cohort.reference[2:]))
    run = described(partly)
    run.write()
    content = run.datalist("metrics/g1")
    assert content["labels"] == {"0": "background", "1": "front", "2": "back"}
    dsc = [pair for pair in content["pairs"] if pair["columns"]["metric"] == "dsc"]
    assert unknown.id not in {pair["columns"]["case"] for pair in dsc}
    assert {pair["right"] for pair in dsc if pair["columns"]["case"] == known.id} == {str(known.truth)}
    change = [pair for pair in content["pairs"] if pair["columns"]["metric"] == "change"]
    assert {pair["columns"]["case"] for pair in change} == {case.id for case in cohort.reference}
    for pair in change:
        case, fold = pair["columns"]["case"], pair["columns"]["fold"]
        assert pair["left"] == f"../../labels/g2/{fold}/{case}.nii.gz"
        assert pair["right"] == f"../../labels/g1/{fold}/{case}.nii.gz"
    columns = next(p["columns"] for p in dsc if p["columns"]["set"] == "test" and p["columns"]["model"] == "f2")
    assert columns == {
        "strategy": "atso", "generation": "1", "model": "f2", "set": "test", "fold": "", "case": cohort.test[0].id,
        "metric": "dsc",
    }  # fmt: skip


def test_distances_are_asked_for_pseudo_labels_and_models_of_all_cases(described: Make, cohort: Cohort) -> None:
    run = described(compare=("stso", "oracle"), evaluate_each_generation=True)
    run.write()
    pairs = [p for s in run.plan.steps if s.kind == "score" for p in run.datalist(s.makes)["pairs"]]
    asked = {(p["columns"]["metric"], p["columns"]["model"]) for p in pairs if p.get("distances")}
    assert asked == {("dsc", model) for model in ("all", "labels", "full", "final")}
    assert not {(p["columns"]["metric"], p["columns"]["model"]) for p in pairs if not p.get("distances")} & asked


@pytest.mark.parametrize("case", ["pictures", "ignored voxels"])
def test_no_distances_of_pictures_or_where_voxels_do_not_count(described: Make, cohort: Cohort, case: str) -> None:
    changed = replace(cohort, ignore=255) if case == "ignored voxels" else cohort
    run = described(changed, changes={"label_suffix": ".png"} if case == "pictures" else {})
    run.write()
    assert not any("distances" in pair for pair in run.datalist("metrics/g1")["pairs"])


# --- truth reaches metrics only


def mentioned(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in folder.iterdir())


@pytest.mark.parametrize("start", ["scratch", "snapshot", "teacher"])
@pytest.mark.parametrize("strategy", BLIND)
def test_no_training_or_prediction_is_told_a_truth(described: Make, cohort: Cohort, strategy: str, start: str) -> None:
    run = described(strategy=strategy, start=start, evaluate_each_generation=True)
    run.write()
    withheld = [str(path) for path in cohort.truths().values()]
    assert len(withheld) == len(cohort.reference) + len(cohort.test)
    steps = [step for step in run.plan.steps if step.kind != "score"]
    for step in steps:
        text = mentioned(run.place.folder(step.makes))
        for path in withheld:
            assert path not in text
            assert os.path.relpath(path, run.place.folder(step.makes)) not in text
    assert any(withheld[0] in mentioned(run.place.folder(s.makes)) for s in run.plan.steps if s.kind == "score")


@pytest.mark.parametrize("strategy", BLIND)
def test_garbage_in_place_of_truth_changes_no_training(
    described: Make, new_dataset: Path, make_cohort: Callable[..., Cohort], tmp_path: Path, strategy: str
) -> None:
    cohort = make_cohort(new_dataset)
    run_dir = tmp_path / "run"
    before = described(cohort, run_dir, strategy=strategy)
    for path in cohort.truths().values():
        path.write_bytes(b"garbage")
    after = described(cohort, run_dir, strategy=strategy)
    for step in before.plan.steps:
        one, other = before.drafts[step.makes], after.drafts[step.makes]
        if step.kind == "score":
            continue
        assert (one.config, one.datalist, one.order) == (other.config, other.datalist, other.order)
    scores = [step.makes for step in before.plan.steps if step.kind == "score"]
    assert all(before.keys[name] != after.keys[name] for name in scores)


def test_a_run_without_the_oracle_holds_no_truth_to_train_on(described: Make) -> None:
    place = described(compare=("stso", "supervised_matched")).place
    assert place.revealed is None
    assert all(case.truth is None and case.label is None for case in (*place.cohort.reference, *place.cohort.test))


def test_training_on_truth_outside_of_the_oracle_is_a_programming_error(described: Make) -> None:
    run = described()
    step = replace(run.plan.step("model/g1/f1/axial"), sets=(("f1", TRUTH),))
    with pytest.raises(AssertionError, match="only the strategy oracle"):
        draft(run.place, step, run.digests(step))


def test_the_oracle_learns_from_known_truth(described: Make, cohort: Cohort) -> None:
    partly = replace(cohort, reference=(cohort.reference[0].bare(), *cohort.reference[1:]))
    run = described(partly, strategy="oracle")
    run.write()
    labels = {item["id"]: item["label"] for item in run.datalist("model/final/axial")}
    expected = {c.id: str(c.label) for c in cohort.labelled} | {c.id: str(c.truth) for c in cohort.reference[1:]}
    assert labels == expected


# --- the key of a request


def test_no_two_steps_start_alike(described: Make) -> None:
    run = described(compare=("stso", "self_learning", "oracle", "supervised_matched"), evaluate_each_generation=True)
    seeds = [d.config["seed"] for d in run.drafts.values() if "seed" in d.config]
    assert len(seeds) > 20
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert step_seed(1, "model/g0/axial") != step_seed(0, "model/g0/axial")


def test_keys_do_not_depend_on_where_the_run_or_the_data_is(
    described: Make, tmp_path: Path, make_cohort: Callable[..., Cohort], new_dataset: Path
) -> None:
    assert described().keys == described(run_dir=tmp_path / "elsewhere").keys
    moved = new_dataset.rename(tmp_path / "moved data")
    assert described(make_cohort(moved)).keys == described().keys


def test_what_changes_the_key(described: Make, cohort: Cohort) -> None:
    first = described().keys
    assert described().keys == first
    for changes in (
        {"seed": 1},
        {"overrides": {"train": {"epoch_length": 7}}},
        {"common": {"train": {"num_classes": 5}, "inference": {}}},
    ):
        other = described(changes=changes).keys
        for step in described().plan.steps:
            assert (other[step.makes] != first[step.makes]) == (step.kind == "train"), (changes, step.makes)
    contents = dict(described().place.contents)
    contents[cohort.labelled[0].label] = "other"
    other = described(changes={"contents": contents}).keys
    trainings = {s.makes for s in described().plan.steps if s.kind == "train"}
    assert {name for name in first if first[name] != other[name]} == trainings


def test_the_key_follows_what_a_step_reads(described: Make) -> None:
    run = described()
    step = run.plan.step("model/g1/f1/axial")
    other = draft(run.place, step, {name: "changed" for name in step.needs})
    assert other.order.key != run.keys[step.makes]


def test_threads_and_devices_are_no_part_of_the_key(described: Make) -> None:
    assert described(changes={"threads": 4}).keys == described().keys


# --- the folder of a step


def test_a_config_holds_no_absolute_path(described: Make, tmp_path: Path) -> None:
    run = described(compare=("oracle", "stso"), start="snapshot")
    run.write()
    for step in run.plan.steps:
        text = (run.place.folder(step.makes) / "config.yaml").read_text(encoding="utf-8")
        for folder in (tmp_path, run.place.bundle, Path(__file__).parents[2]):
            assert str(folder) not in text
        assert not [word for word in text.split() if word.startswith("/")]


def test_what_is_written_is_what_was_drafted(described: Make) -> None:
    run = described()
    run.write()
    for step in run.plan.steps:
        assert run.config(step.makes) == run.drafts[step.makes].config
        assert sorted(p.name for p in run.place.folder(step.makes).iterdir() if p.is_file()) == [
            "config.yaml", "datalist.json", "metadata.json",
        ]  # fmt: skip


def test_writing_again_clears_the_folder_but_keeps_the_last_log(described: Make) -> None:
    run = described()
    run.write()
    folder = run.place.folder("model/g0/axial")
    (folder / "log.txt").write_text("what went wrong")
    (folder / "model.pt").write_text("half")
    run.write()
    assert not (folder / "model.pt").exists()
    assert (folder / "log.previous.txt").read_text() == "what went wrong"
    assert not (folder / "log.txt").exists()


def test_unknown_overrides_are_named_with_the_nearest(described: Make) -> None:
    with pytest.raises(
        ConfigError, match=r"msd_hippocampus/configs/train.yaml has no id 'epoch_lenght'.*'epoch_length'"
    ):
        described(changes={"overrides": {"train": {"epoch_lenght": 3}}})
    with pytest.raises(ConfigError, match=r"inference\.yaml has no id 'batchsize'"):
        described(changes={"overrides": {"inference": {"batchsize": 3}}})


def test_another_meaning_of_the_label_files_is_another_step(described: Make, cohort: Cohort, tmp_path: Path) -> None:
    """Also where a single case has its own map, as in a cohort of several sources: no checkpoint may be taken up."""
    first, *others = cohort.labelled
    turned = replace(cohort, labelled=(replace(first, label_map={1: 2, 2: 1}), *others))
    before, after = described(cohort).keys, described(turned, tmp_path / "other").keys
    trained = [name for name in before if name.startswith("model/")]
    assert trained and all(before[name] != after[name] for name in trained)
