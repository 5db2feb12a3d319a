"""From a step of the plan to a folder that describes it: configuration, case list, and the key of the request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from atso_monai.bundle import read_config, set_ids
from atso_monai.checkpoint import Interval
from atso_monai.cohort import Case, Cohort
from atso_monai.engine.classes import Classes
from atso_monai.engine.configuration import CONFIG_NAMES, configuration
from atso_monai.engine.plan import GIVEN, LABELLED, TEST, TRUTH, Score, Step
from atso_monai.engine.worker import Order
from atso_monai.files import hash_file, hash_json
from atso_monai.label_maps import LabelTable

DATALIST = "datalist.json"
CACHE = "cache"
SHARDS = "shards"
"""Folder of the shards of a prediction, in its step folder."""


@dataclass(frozen=True)
class Workplace:
    """All that turns steps into folders, apart from the plan.

    Training and prediction see ``cohort`` alone, which holds no truth; ``truths`` go to score steps; ``revealed`` is
    there for the strategy ``oracle`` only.

    Attributes:
        run_dir: the run folder.
        bundle: root folder of the bundle that trains, and predicts where there is no other.
        cohort: blind: without reference truth and without test labels.
        truths: true label files by case id.
        contents: content hash of each image and label file, by path.
        seed: the run's seed.
        threads: CPU threads of a step.
        workers: steps at a time.
        interval: how often a training keeps a checkpoint of itself.
        overlays: names of overlays of the bundle's configurations.
        overrides: further ids to set: ``{"train": {...}, "inference": {...}}``.
        common: ids that every configuration gets, e.g. ``num_classes``.
        revealed: the cohort with reference truth as labels, where a strategy may train on it.
        keep_snapshot: whether the trainings of generation 0 must leave an early snapshot.
        infer_bundle: root folder of another bundle that predicts.
        mapping: file that says which ids of the bundles play which part.
        label_suffix: how the names of the bundle's label files end.
        reduction: the reduced classes, and the one that each class belongs to; None where no step has them.
    """

    run_dir: Path
    bundle: Path
    cohort: Cohort
    truths: Mapping[str, Path]
    contents: Mapping[Path, str]
    seed: int
    threads: int = 1
    workers: int = 1
    interval: Interval = field(default_factory=Interval)
    overlays: tuple[str, ...] = ()
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    common: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    revealed: Cohort | None = None
    keep_snapshot: bool = False
    infer_bundle: Path | None = None
    mapping: Path | None = None
    label_suffix: str = ".nii.gz"
    reduction: LabelTable | None = None

    @property
    def classes(self) -> Classes:
        """What class indices mean."""
        return Classes(self.cohort, self.reduction)

    def folder(self, makes: str) -> Path:
        """The folder of an artefact."""
        return self.run_dir / makes

    def bundle_of(self, kind: str) -> Path:
        """Root folder of the bundle that carries out steps of a kind."""
        return self.infer_bundle if kind == "predict" and self.infer_bundle else self.bundle


def step_seed(seed: int, makes: str) -> int:
    """The seed of a step, from the run's seed and the step's name: in 0 .. 2**31 - 1, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{makes}".encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class Draft:
    """A step, described but not written yet; ``shards`` do its work where it is cut."""

    order: Order
    config: Mapping[str, Any]
    datalist: Any
    shards: tuple[Draft, ...] = ()


def draft(place: Workplace, step: Step, digests: Mapping[str, str]) -> Draft:
    """Describe a step.

    Args:
        place: the run's workplace.
        step: the step; all that it needs is done.
        digests: digest of each artefact that is done.
    """
    folder = place.folder(step.makes)
    datalist: Any
    if step.kind == "score":
        datalist, contents, expected = _score_list(place, step, folder)
        config = _score_config(place)
    else:
        datalist, contents = _case_list(place, step, folder)
        config = step_config(place, step, folder)
        expected = tuple(f"{case.id}{place.label_suffix}" for case in _cases(place.cohort, step.cases))
        if step.kind == "train":
            expected = ("model.pt",) + (("snapshot.pt",) if place.keep_snapshot and step.generation == "0" else ())
    needs = {name: digests[name] for name in step.needs}
    key = hash_json({"makes": step.makes, "config": config, "contents": contents, "needs": needs})
    made_from = {"needs": needs, "bundle": bundle_files(place.bundle), "cohort": place.cohort.fingerprint}
    order = Order(
        step.makes, step.kind, str(folder), key, expected, place.threads, place.workers, place.interval, made_from
    )
    return Draft(order, config, datalist)


@lru_cache
def bundle_files(bundle: Path) -> dict[str, str]:
    """SHA-256 of each configuration of a bundle, by file name; read once."""
    return {file.name: hash_file(file) for file in sorted((bundle / "configs").glob("*")) if file.is_file()}


def bundle_config(place: Workplace, kind: str, overlay: str = "", reduced: bool = False) -> dict[str, Any]:
    """The bundle's configuration for ``train`` or ``predict`` steps with the run's own settings in it.

    Args:
        place: the run's workplace.
        kind: ``train`` or ``predict``.
        overlay: a further overlay, which a variant asks for.
        reduced: whether the network has the reduced classes.
    """
    root, source = place.bundle_of(kind), f"{place.bundle_of(kind).name}/configs/{CONFIG_NAMES[kind]}.yaml"
    overlays = (*place.overlays, overlay) if overlay else place.overlays
    config = configuration(root, kind, overlays, place.overrides, place.mapping).config
    set_ids(config, place.common.get(CONFIG_NAMES[kind], {}), source)
    if reduced:
        set_ids(config, {"num_classes": len(place.classes.names(reduced))}, source)
    return config


def step_config(place: Workplace, step: Step, folder: Path) -> dict[str, Any]:
    """The configuration of a training or prediction that runs in a folder, which paths are relative to."""
    config = bundle_config(place, step.kind, step.overlay, step.reduced)
    values: dict[str, Any] = {
        "datalist": DATALIST,
        "output_dir": "repeat",
        "cache_dir": _relative(place.run_dir / CACHE, folder),
    }
    if step.kind == "train":
        file = "snapshot.pt" if step.snapshot else "model.pt"
        values |= {
            "checkpoint_in": _relative(place.folder(step.start) / file, folder) if step.start else None,
            "seed": step_seed(place.seed, step.makes),
            "run_seed": place.seed,
            "view": step.view,
            "max_epochs": step.epochs,
        }
    else:
        views = {need.rsplit("/", 1)[1]: _relative(place.folder(need) / "model.pt", folder) for need in step.needs}
        values["checkpoints"] = views
    set_ids(config, values, f"{place.bundle_of(step.kind).name}/configs/{CONFIG_NAMES[step.kind]}.yaml")
    return config


def _case_list(place: Workplace, step: Step, folder: Path) -> tuple[list[dict[str, Any]], list[Any]]:
    """Items of a training or prediction, and what they hold, by content."""
    sets = step.sets or tuple((name, "") for name in step.cases)
    return _listed(place, sets, folder, step.reduced, step.grouped)


def items_of(place: Workplace, sets: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Items of sets of cases, each with its label source: ``given``, ``truth``, or nothing for items without label."""
    return _listed(place, sets, place.run_dir)[0]


def _listed(
    place: Workplace, sets: Sequence[tuple[str, str]], folder: Path, reduced: bool = False, grouped: bool = False
) -> tuple[list[dict[str, Any]], list[Any]]:
    items, contents = [], []
    for cases, source in sets:
        for case in _cases(place.cohort, [cases]):
            item: dict[str, Any] = {"id": case.id, "image": str(case.image.absolute())}
            content = [case.id, place.contents[case.image]]
            if source in (GIVEN, TRUTH):
                found = _labelled_case(place, case, source)
                if found is None:
                    continue
                item["label"] = str(found.absolute())
                if label_map := place.classes.of_file(case, reduced):
                    item["label_map"] = _text_keys(label_map)
                content += [place.contents[found], *([item["label_map"]] if reduced else [])]
            elif source:
                item["label"] = _relative(place.folder(source) / f"{case.id}{place.label_suffix}", folder)
                if grouped:
                    item["label_map"] = _text_keys(place.classes.of_group())
                content.append(source)
            items.append(item)
            contents.append(content)
    return items, contents


def _labelled_case(place: Workplace, case: Case, source: str) -> Path | None:
    """The true label of a case for training; None for a reference case whose truth is not known."""
    if source == GIVEN:
        return case.label
    if place.revealed is None:
        raise AssertionError(f"only the strategy oracle may train on the truth of case {case.id}")
    return next((c.label for c in place.revealed.labelled if c.id == case.id), None)


def _cases(cohort: Cohort, sets: Any) -> tuple[Case, ...]:
    """The cases of the named sets: ``labelled``, ``test``, or folds ``f1``, ``f2``, ..."""
    found: tuple[Case, ...] = ()
    for name in sets:
        named = {LABELLED: cohort.labelled, TEST: cohort.test}.get(name)
        found += named if named is not None else cohort.fold(int(name[1:]) - 1)
    return found


def _score_list(place: Workplace, step: Step, folder: Path) -> tuple[dict[str, Any], list[Any], tuple[str, ...]]:
    """Pairs of label files to compare. Cases without known truth are left out of what needs it."""
    pairs, contents = [], []
    for score in step.scores:
        for case in _cases(place.cohort, [score.cases]):
            name = f"{case.id}{place.label_suffix}"
            right = place.truths.get(case.id) if score.right == TRUTH else None
            if score.right == TRUTH and right is None:
                continue
            pair: dict[str, Any] = {
                "columns": _columns(step, score, case),
                "left": _relative(place.folder(score.left) / name, folder),
                "right": str(right.absolute()) if right else _relative(place.folder(score.right) / name, folder),
            }
            if right is not None and (label_map := place.classes.of_file(case, step.reduced)):
                pair["right_map"] = _text_keys(label_map)
            pairs.append(pair)
            contents.append([pair["columns"], score.left, place.contents[right] if right else score.right])
    head: dict[str, Any] = {"labels": {str(index): name for index, name in place.classes.names(step.reduced).items()}}
    if place.cohort.ignore is not None:
        head["ignore"] = place.cohort.ignore
    return {**head, "pairs": pairs}, [*head.values(), contents], ("scores.csv",)


def _columns(step: Step, score: Score, case: Case) -> dict[str, str]:
    fold = "" if score.cases == TEST else score.cases
    return {
        "strategy": step.strategy,
        "generation": step.generation,
        "model": score.model,
        "set": TEST if score.cases == TEST else "reference",
        "fold": fold,
        "case": case.id,
        "metric": score.metric,
    }


def _score_config(place: Workplace) -> dict[str, Any]:
    """The bundle's own ``configs/score.yaml`` where it has one, else Dice."""
    if list((place.bundle / "configs").glob("score.*")):
        config = read_config(place.bundle, "score")
        set_ids(config, {"datalist": DATALIST, "output_dir": "repeat"}, f"{place.bundle.name}/configs/score.yaml")
        return config
    return {
        "imports": ["$import atso_monai.metrics"],
        "output_dir": "repeat",
        "sheet": {
            "_target_": "atso_monai.metrics.ScoreSheet",
            "datalist": DATALIST,
            "output": "$@output_dir + '/scores.csv'",
        },
        "run": ["$@sheet.write()"],
    }


def metadata(bundle: Path) -> Any:
    """What a bundle says of itself; the least that MONAI takes where it says nothing."""
    from monai.bundle import ConfigParser

    file = bundle / "configs" / "metadata.json"
    return ConfigParser.load_config_files(str(file)) if file.is_file() else {"version": "unknown"}


def _text_keys(label_map: Mapping[int, int]) -> dict[str, int]:
    return {str(value): index for value, index in label_map.items()}


def _relative(path: Path, folder: Path) -> str:
    """A path as seen from a step folder: step names are plain, so nothing in it can be taken for configuration."""
    return Path(os.path.relpath(path, folder)).as_posix()
