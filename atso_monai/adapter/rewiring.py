"""What rewiring a training and an inference configuration have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atso_monai.adapter.checks import refuse_foreign_data, refuse_own_weights, refuse_undefined
from atso_monai.adapter.mapping import InferenceIds, TrainIds
from atso_monai.adapter.tree import Config, components, follow, get, put, reached, replaced, strings, target_name
from atso_monai.adapter.working_copy import FOLDER, code_digest

SECTION = "atso"
"""Section of a rewired configuration that holds what the engine sets."""
SCRATCH = "scratch"
"""Folder inside a step's folder for what goes when the step ends."""
WEIGHTS = ("CheckpointLoader", "CheckpointSaver")
CURVES = ("TensorBoardHandler", "TensorBoardStatsHandler", "TensorBoardImageHandler")
"""They need a package that may be missing, and never close their files."""
_OWN_OUTPUT = "bundle_output"
_FOLDERS = ("output_dir", "ckpt_dir", "results_dir", "log_dir", "model_dir")
_CACHING = ("PersistentDataset", "CacheNTransDataset", "LMDBDataset", "GDSDataset")
_ENTRIES = ("run", "training", "evaluating", "inference")


class Rewiring:
    """A configuration that is changed in place.

    Args:
        config: unresolved, macros resolved.
        ids: its parts, all found.
        engine: id of the trainer or evaluator.
        root: the bundle's folder.
        source: what the configuration is called in errors.
    """

    def __init__(self, config: Config, ids: TrainIds | InferenceIds, engine: str, root: Path, source: str) -> None:
        self.config, self.engine, self.root, self.source = config, engine, root, source
        self.part = "train" if isinstance(ids, TrainIds) else "inference"
        self.notes: list[str] = []
        for name, value in ids.set.items():
            put(config, name, value)
        self.kept = tuple(ids.set)
        device = self.wire(ids.device or "", "device")
        if isinstance(device, str) and device.startswith("$"):  # inferers often repeat the expression
            self.config.update(replaced(config, device, f"@{SECTION}::device"))
        self.section: Config = {
            "bundle": root.name,
            "code": code_digest(root),
            "bundle_root": FOLDER,
            "datalist": None,
            "output_dir": "repeat",
            "cache_dir": SCRATCH,
            "device": device,
            "seed": 0,
            "num_classes": None,
        }
        for name in ids.num_classes:
            put(config, name, f"@{SECTION}::num_classes")

    def wire(self, name: str, part: str) -> Any:
        """Let an id refer to the section; returns what it held."""
        last = follow(self.config, name)[-1]
        before = get(self.config, last)
        put(self.config, last, f"@{SECTION}::{part}")
        return before

    def weights_in(self, name: str, path: str) -> None:
        """Fill the network from ``path`` where it is made; in place, so that all who refer to it have it."""
        chain = follow(self.config, name)
        value = get(self.config, chain[-1])
        if isinstance(value, dict) and len(chain) > 1:  # others may refer to ids inside it
            chain, value = chain[:-1], get(self.config, chain[-2])
        component = {"_target_": "atso_monai.networks.load_weights", "network": value, "path": path}
        put(self.config, chain[-1], component)
        self.section["network"] = f"@{name}"

    def silence(self, *names: str) -> list[str]:
        """Put an inert part in the place of every component of the named classes; returns their ids."""
        found = [name for name, node in components(self.config) if target_name(node) in names]
        for name in found:
            stood = target_name(get(self.config, name))
            put(self.config, name, {"_target_": "atso_monai.adapter.Inert", "stands_for": stood})
        return found

    def folders(self) -> None:
        """Point the bundle's own folders into the step's folder."""
        for name in _FOLDERS:
            if name in self.config:
                self.config[name] = _OWN_OUTPUT
        self.config["bundle_root"] = f"@{SECTION}::bundle_root"  # some leave it to the command line
        for _, node in components(self.config):
            if target_name(node) in _CACHING and "cache_dir" in node:
                node["cache_dir"] = SCRATCH  # it keeps items under their paths, and labels change behind a path

    def finish(self, follower: Config) -> Config:
        """The entries that are run: our seed first, the bundle's own, then who follows the engine."""
        config = self.config
        first = [{"_target_": "monai.utils.set_determinism", "seed": f"@{SECTION}::seed"}]
        own = [entry for entry in _listed(config.get("initialize")) if not self._replaced(entry)]
        runs = next((_listed(config[name]) for name in _ENTRIES if _runs_something(config.get(name))), None)
        runs = [entry for entry in runs or [f"$@{self.engine}.run()"] if not self._replaced(entry)]
        imports = [*_listed(config.pop("imports", None))]
        for name in _ENTRIES:
            config.pop(name, None)
        whole = {"imports": imports, SECTION: self.section, **config}
        whole |= {"initialize": [*first, *own, follower], "run": runs}
        asked = reached(whole, ("initialize", "run"))
        refuse_undefined(whole, asked, self.source, self.part)
        refuse_foreign_data(whole, asked, self.kept, self.source, self.part)
        refuse_own_weights(whole, asked, self.source, self.part)
        return whole

    def _replaced(self, entry: Any) -> bool:
        """Whether an entry sets the seed or loads weights, which the engine does."""
        return any("set_determinism" in text or "load_state_dict" in text for text in strings(entry))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _runs_something(value: Any) -> bool:
    return any(".run(" in text for text in strings(value))
