"""The bundles of a run and their configurations: written for the engine, or rewired by the adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from atso_monai.adapter import SECTION, Adapted, adapt, read_mapping, written_for_the_engine
from atso_monai.adapter.packages import missing_packages
from atso_monai.bundle import (
    CONFIG_SUFFIXES,
    config_files,
    find_bundle,
    lay_over,
    metadata,
    override,
    plain_config,
    read_config,
)
from atso_monai.errors import ConfigError
from atso_monai.files import as_given

CONFIG_NAMES = {"train": "train", "predict": "inference"}


@dataclass(frozen=True)
class Bundles:
    """The bundle that trains and the one that predicts, which is mostly the same.

    Attributes:
        train: a folder, or the name of an embedded bundle.
        inference: the same for predictions; None is ``train``.
        overlays: names of overlays of the configurations.
        overrides: further ids to set, by ``train`` and ``inference``.
        mapping: a mapping file; None takes the bundles' own.
        ranks: processes inside each training.
    """

    train: str | Path
    inference: str | Path | None = None
    overlays: Sequence[str] = ()
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mapping: Path | None = None
    ranks: int = 1

    def root(self, kind: str) -> Path:
        """Folder of the bundle for ``train`` or ``predict`` steps."""
        named = self.inference if kind == "predict" and self.inference is not None else self.train
        return find_bundle(as_given(named) if isinstance(named, str) else named)

    @cached_property
    def configurations(self) -> dict[str, Adapted]:
        """The configuration for each kind, without what a run and its steps set."""
        return {
            kind: configuration(self.root(kind), kind, self.overlays, self.overrides, self.mapping, self.ranks)
            for kind in CONFIG_NAMES
        }

    @property
    def adapted(self) -> bool:
        """Whether the bundles were not written for the engine.

        Raises:
            ConfigError: when one of two bundles is, and the other is not.
        """
        rewired = {SECTION in one.config for one in self.configurations.values()}
        if len(rewired) > 1:
            raise ConfigError(
                f"The bundles {self.root('train').name} and {self.root('predict').name} do not go together: one has "
                "a network per view and the other knows no views. Take both from one bundle, or two of one kind."
            )
        return rewired == {True}

    @property
    def label_suffix(self) -> str:
        """How the names of the label files end: ``.png`` for bundles of pictures."""
        return str(self.configurations["predict"].config.get("label_suffix", ".nii.gz"))

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the bundles are run."""
        notes = [f"{CONFIG_NAMES[kind]}: {note}" for kind, one in self.configurations.items() for note in one.notes]
        for root in dict.fromkeys(self.root(kind) for kind in CONFIG_NAMES) if self.adapted else ():
            if missing := missing_packages(metadata(root)):
                notes.append(
                    f"{root.name}: its metadata ask for packages that are not installed: {', '.join(missing)}. Where a "
                    "step fails for want of one, install it"
                )
        return notes


def configuration(
    root: Path,
    kind: str,
    overlays: Sequence[str] = (),
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    mapping: str | Path | None = None,
    ranks: int = 1,
) -> Adapted:
    """The configuration of a bundle for ``train`` or ``predict`` steps, unresolved.

    Args:
        root: the bundle's folder.
        kind: ``train`` or ``predict``.
        overlays: names of overlays of the configurations.
        overrides: ids to set, by ``train`` and ``inference``.
        mapping: a mapping file; None takes the bundle's own, if it has one.
        ranks: processes inside each training; from 2 on, the bundle's overlay for torchrun is laid over.

    Raises:
        ConfigError: when it cannot be read, set or mapped, or is not made for several processes.
    """
    name = CONFIG_NAMES[kind]
    ids = read_mapping(root, mapping)
    named = getattr(ids, name).config or name
    file, *further = [named] if isinstance(named, str) else named
    config = read_config(root, file, overlays, further)
    if kind == "train" and ranks > 1:
        _refuse_ranks_of_others(root, config, ranks)
        lay_over(config, torchrun_overlay(root))
    source = f"{root.name}/configs/{config_files(root, file)[0].name}"
    override(config, (overrides or {}).get(name, {}), source)
    if written_for_the_engine(config, kind):
        return Adapted(config)
    return adapt(plain_config(config, root), kind, ids, root, source)


def _refuse_ranks_of_others(root: Path, config: Mapping[str, Any], ranks: int) -> None:
    if not written_for_the_engine(config, "train"):
        raise ConfigError(
            f"ranks: {ranks} is for bundles that were written for the engine, which {root.name} is not. Take ranks: 1; "
            "with workers and devices its trainings run side by side, each on a GPU of its own."
        )


def torchrun_overlay(root: Path) -> Path:
    """MONAI's overlay for trainings in several processes: ``configs/multi_gpu_train`` of a bundle.

    Raises:
        ConfigError: when the bundle has none.
    """
    for suffix in CONFIG_SUFFIXES:
        if (file := root / "configs" / f"multi_gpu_train{suffix}").is_file():
            return file
    raise ConfigError(
        f"The bundle {root.name} has no configs/multi_gpu_train.yaml (or .json), the overlay with which torchrun "
        "trains it in several processes. Take ranks: 1, or add one: that of phantom_pancreas is an example."
    )
