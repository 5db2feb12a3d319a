"""From a step of the plan to a folder that describes it: configuration, case list, and the key of the request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from atso_monai.bundle import read_config, set_ids
from atso_monai.engine.case_lists import case_list, cases_of, relative, score_list
from atso_monai.engine.configuration import CONFIG_NAMES, configuration
from atso_monai.engine.plan import Step
from atso_monai.engine.worker import Order
from atso_monai.engine.workplace import Workplace
from atso_monai.files import hash_file, hash_json

DATALIST = "datalist.json"
CACHE = "cache"
SHARDS = "shards"
"""Folder of the shards of a prediction, in its step folder."""


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
        datalist, contents, expected = score_list(place, step, folder)
        config = _score_config(place)
    else:
        datalist, contents = case_list(place, step, folder)
        config = step_config(place, step, folder)
        expected = tuple(f"{case.id}{place.label_suffix}" for case in cases_of(place.cohort, step.cases))
        if step.kind == "train":
            expected = ("model.pt",) + (("snapshot.pt",) if place.keep_snapshot and step.generation == "0" else ())
    needs = {name: digests[name] for name in step.needs}
    ranks = place.ranks if step.kind == "train" else 1
    several = {"ranks": ranks} if ranks > 1 else {}
    key = hash_json({"makes": step.makes, "config": config, "contents": contents, "needs": needs, **several})
    made_from = {"needs": needs, "bundle": bundle_files(place.bundle), "cohort": place.cohort.fingerprint}
    order = Order(
        step.makes,
        step.kind,
        str(folder),
        key,
        expected,
        place.threads,
        place.workers,
        place.interval,
        made_from,
        ranks,
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
    config = configuration(root, kind, overlays, place.overrides, place.mapping, place.ranks).config
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
        "cache_dir": relative(place.run_dir / CACHE, folder),
    }
    if step.kind == "train":
        file = "snapshot.pt" if step.snapshot else "model.pt"
        values |= {
            "checkpoint_in": relative(place.folder(step.start) / file, folder) if step.start else None,
            "seed": step_seed(place.seed, step.makes),
            "run_seed": place.seed,
            "view": step.view,
            "max_epochs": step.epochs,
        }
    else:
        views = {need.rsplit("/", 1)[1]: relative(place.folder(need) / "model.pt", folder) for need in step.needs}
        values["checkpoints"] = views
    set_ids(config, values, f"{place.bundle_of(step.kind).name}/configs/{CONFIG_NAMES[step.kind]}.yaml")
    return config


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
