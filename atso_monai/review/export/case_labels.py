"""What a run says of each reference and test case: its final label, and the label of every model that labelled it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atso_monai.cohort import Case, Cohort
from atso_monai.engine.plan import TEST, Outcome, Plan, Step, fold_name
from atso_monai.engine.record import RESULT, why_not_done
from atso_monai.engine.run_folder import RUN
from atso_monai.engine.status import recorded_plan
from atso_monai.errors import RunFolderError
from atso_monai.files import read_json

COMPARE = "compare/"


@dataclass(frozen=True)
class ModelLabel:
    """The label that one model gave to one case.

    Attributes:
        generation: of the model: ``0``, ``1``, ... or ``final``.
        model: ``f1``, ``f2``, ... for fold models, ``full`` or ``final`` for one of all of R, ``all`` otherwise.
        unseen: whether the model was trained without the case.
        path: the label file, class indices on the case's own grid.
    """

    generation: str
    model: str
    unseen: bool
    path: Path


@dataclass(frozen=True)
class CaseLabels:
    """A case and its labels.

    Attributes:
        case: the case of the cohort, with its truth where that is known.
        role: ``reference`` or ``test``.
        fold: ``f1``, ``f2``, ... of a reference case; empty for a test case.
        final: the label that the run delivers; None where it is not made yet.
        labels: of every model, in plan order.
    """

    case: Case
    role: str
    fold: str
    final: Path | None
    labels: tuple[ModelLabel, ...]

    @property
    def fold_models(self) -> tuple[ModelLabel, ...]:
        """The labels of the last generation's fold models, by fold; empty for strategies without folds."""
        own = [label for label in self.labels if label.model[:1] == "f" and label.model[1:].isdigit()]
        last = max((int(label.generation) for label in own), default=0)
        return tuple(sorted((m for m in own if int(m.generation) == last), key=lambda m: int(m.model[1:])))


@dataclass(frozen=True)
class RunLabels:
    """The labels of a run.

    Attributes:
        run_dir: the run folder.
        strategy: the strategy that the run delivers.
        cohort: who is who, and the names of the classes.
        cases: reference cases, then test cases, in the order of the cohort.
    """

    run_dir: Path
    strategy: str
    cohort: Cohort
    cases: tuple[CaseLabels, ...]

    @property
    def classes(self) -> dict[int, str]:
        """Name of each class index, without the background."""
        return {index: name for index, name in sorted(self.cohort.labels.items()) if index}


def read_case_labels(run_dir: str | Path) -> RunLabels:
    """Read which labels a run folder holds; voxels are left on the disk. The folder may have been moved.

    Only steps whose record holds are read; steps that are not made yet are left out, also in a run that goes on.

    Raises:
        RunFolderError: when the folder holds no run, or a finished step is no longer as it was written.
        CohortError: when its cohort file cannot be read.
    """
    folder = Path(run_dir)
    plan = recorded_plan(folder)
    cohort = Cohort.load(folder / str(read_json(folder / RUN)["cohort"]))
    steps = [step for step in plan.steps if _is_label(step) and _done(folder, step)]
    outcome = plan.outcomes[0]
    cases = tuple(_labels_of(folder, plan, outcome, steps, *found) for found in _cases(cohort))
    return RunLabels(folder, outcome.strategy, cohort, cases)


def _is_label(step: Step) -> bool:
    return step.kind == "predict" and not step.makes.startswith(COMPARE)


def _done(run_dir: Path, step: Step) -> bool:
    folder = run_dir / step.makes
    why = why_not_done(folder) if (folder / RESULT).exists() else ""
    if why:
        raise RunFolderError(
            f"The labels in {folder} cannot be trusted: {why}. Start the run again with the same settings: "
            "it makes that step, and what depends on it, anew."
        )
    return (folder / RESULT).exists()


def _cases(cohort: Cohort) -> Iterator[tuple[Case, str, str]]:
    """Case, role and fold of all cases that a run labels."""
    folds = {name: fold_name(k) for k, fold in enumerate(cohort.folds) for name in fold}
    for case in cohort.reference:
        yield case, "reference", folds[case.id]
    for case in cohort.test:
        yield case, "test", ""


def _labels_of(
    run_dir: Path, plan: Plan, outcome: Outcome, steps: list[Step], case: Case, role: str, fold: str
) -> CaseLabels:
    own = fold or TEST
    made = {step: run_dir / step.makes / f"{case.id}.nii.gz" for step in steps if own in step.cases}
    final = next((path for step, path in made.items() if _is_final(step, outcome, own)), None)
    return CaseLabels(case, role, fold, final, tuple(_model_label(plan, s, own, path) for s, path in made.items()))


def _is_final(step: Step, outcome: Outcome, own: str) -> bool:
    return set(step.needs) == set(outcome.models) if own == TEST else step.makes in outcome.labels


def _model_label(plan: Plan, step: Step, own: str, path: Path) -> ModelLabel:
    """Say who made a label: the name of a model's artefacts is ``model/<generation>[/<model>]/<view>``."""
    training = plan.step(step.needs[0])
    parts = training.makes.split("/")[1:-1]
    name = parts[-1] if len(parts) > 1 or parts[0] == "final" else "all"
    return ModelLabel(training.generation, name, all(cases != own for cases, _ in training.sets), path)
