"""All that turns steps into folders, apart from the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atso_monai.checkpoint import Interval
from atso_monai.cohort import Cohort
from atso_monai.engine.classes import Classes
from atso_monai.label_maps import LabelTable


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
        ranks: processes inside each training.
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
    ranks: int = 1
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
