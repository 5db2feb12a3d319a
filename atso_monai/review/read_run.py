"""A run folder as people look at it: what was planned, what is done, who is who. Nothing in it is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.cohort import Cohort
from atso_monai.engine.plan import TEST, Outcome, Plan
from atso_monai.engine.record import Result, read_result
from atso_monai.engine.run_folder import RUN
from atso_monai.engine.status import recorded_plan
from atso_monai.engine.tables import Row, collect
from atso_monai.files import read_json
from atso_monai.metrics.sheet import FOREGROUND
from atso_monai.transforms import MapLabels
from atso_monai.volume_file import Array, read_volume


@dataclass(frozen=True)
class ReadRun:
    """A run, finished or not, as its folder tells.

    Attributes:
        run_dir: the folder.
        plan: all steps, done or not.
        cohort: who is who, with all truth that is known.
        settings: what shaped the results, as ``run.json`` holds it.
        results: the record of each step that is done, by artefact.
        rows: the scores of the score steps that are done.
    """

    run_dir: Path
    plan: Plan
    cohort: Cohort
    settings: Mapping[str, Any]
    results: Mapping[str, Result]
    rows: Sequence[Row]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.run_dir.resolve().name

    @property
    def outcome(self) -> Outcome:
        """Of the strategy whose model and labels the run delivers."""
        return self.plan.outcomes[0]

    @property
    def finished(self) -> bool:
        """Whether every step is done."""
        return len(self.results) == len(self.plan.steps)

    @property
    def classes(self) -> dict[int, str]:
        """Name of each class but the background."""
        return {index: name for index, name in sorted(self.cohort.labels.items()) if index}

    @property
    def score_labels(self) -> list[str]:
        """What scores are given for: each class, and last the whole foreground where there are several."""
        names = list(self.classes.values())
        return [*names, FOREGROUND] if len(names) > 1 else names

    @property
    def main_label(self) -> str:
        """What headlines are about: the whole foreground where there are several classes."""
        return self.score_labels[-1]

    @property
    def main_label_first(self) -> list[str]:
        """:attr:`score_labels` in the order of tables."""
        return [self.main_label, *self.score_labels[:-1]]

    def fold_of(self) -> dict[str, str]:
        """Fold name (``f1``, ...) of each reference case."""
        return {case: f"f{k + 1}" for k, fold in enumerate(self.cohort.folds) for case in fold}

    def artefact_file(self, artefact: str, case: str) -> Path | None:
        """The label file of a case in a prediction that is done, or None."""
        file = self.run_dir / artefact / f"{case}.nii.gz"
        return file if artefact in self.results and file.is_file() else None


def read_run(run_dir: str | Path) -> ReadRun:
    """Read a run folder.

    Raises:
        RunFolderError: when the folder holds no run.
        CohortError: when its cohort file is missing or damaged.
    """
    folder = Path(run_dir)
    plan = recorded_plan(folder)
    read = {step.makes: read_result(folder / step.makes) for step in plan.steps}
    results = {name: result for name, result in read.items() if result is not None}
    done = Plan(tuple(step for step in plan.steps if step.makes in results), plan.outcomes)
    settings = read_json(folder / RUN).get("settings", {})
    return ReadRun(folder, plan, Cohort.load(folder / "cohort.json"), settings, results, collect(folder, done))


def newest_labels(run: ReadRun, outcome: Outcome | None = None) -> dict[str, str]:
    """The newest pseudo labels that are done, for each fold: artefact by fold name; folds without any are left out."""
    last = outcome or run.outcome
    prefix = last.labels[0].split("labels/")[0] if last.labels else ""
    generations = range(max(1, int(run.settings.get("generations", 1))), 0, -1)
    found = {}
    for artefact in last.labels:
        fold = artefact.rsplit("/", 1)[1]
        chain = [artefact, *(f"{prefix}labels/g{t}/{fold}" for t in generations if t > 1)]
        chain += [f"labels/g1/{fold}"] if last.strategy in ("atso", "stso", "self_learning") else []
        for name in chain:
            if name in run.results:
                found[fold] = name
                break
    return found


def label_file(run: ReadRun, case: str, outcome: Outcome | None = None) -> Path | None:
    """The newest pseudo label of a reference case, or None where there is none yet."""
    fold = run.fold_of().get(case)
    artefact = newest_labels(run, outcome).get(fold or "")
    return run.artefact_file(artefact, case) if artefact else None


def predictions_on_test(run: ReadRun, outcome: Outcome) -> str | None:
    """The artefact that holds the labels of the test cases by a strategy's last model, where that is done."""
    wanted = set(outcome.models)
    made = (s for s in run.plan.steps if s.kind == "predict" and s.cases == (TEST,) and set(s.needs) == wanted)
    return next((step.makes for step in made if step.makes in run.results), None)


def read_labels(path: Path, label_map: Mapping[int, int] | None = None) -> tuple[Array, npt.NDArray[np.float64]]:
    """A label volume in class indices, (X, Y, Z) as the file has its axes, and its affine.

    Args:
        path: the label file.
        label_map: class index of each value in the file, as a cohort has it; None where it holds class indices.

    Raises:
        PrepareError: when the file cannot be read, or holds values without a class.
    """
    labels, affine = read_volume(path)
    if labels.dtype.kind == "f":
        labels = np.rint(labels).astype(np.int32)
    return (np.asarray(MapLabels({0: 0, **label_map})(labels)) if label_map else labels), affine
