"""The plan of a run: named steps and what each needs. Pure: no paths, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Literal

GIVEN = "given"
"""Label source of a set of cases: the labels that came with the labelled cases."""
TRUTH = "truth"
"""Label source of a set of cases: the withheld truth. Only the strategy ``oracle`` may train on it."""
LABELLED, TEST = "labelled", "test"


def fold_name(index: int) -> str:
    """Name of reference fold ``index`` (from 0) in step names and case sets: ``f1``, ``f2``, ..."""
    return f"f{index + 1}"


@dataclass(frozen=True)
class Score:
    """One comparison of labels that a ``score`` step makes for every case of a set.

    Attributes:
        cases: the set of cases: ``test`` or a fold, e.g. ``f1``.
        left: the artefact that holds the labels to judge.
        right: the artefact to compare with, or ``truth``.
        metric: ``dsc`` (against the truth), ``agreement`` (two models of one generation) or ``change``
            (successive pseudo labels of one fold).
        model: which model is judged: ``all``, ``f1``, ``full``, ``final``, or ``labels`` for updated pseudo labels.
    """

    cases: str
    left: str
    right: str
    metric: str
    model: str


@dataclass(frozen=True)
class Step:
    """One bundle run, by names alone.

    Attributes:
        makes: the artefact that it leaves, e.g. ``labels/g1/f1``.
        kind: ``train`` (one network of one view), ``predict`` (labels of cases) or ``score``.
        needs: the artefacts that it reads.
        view: the view that a training is for.
        epochs: length of a training.
        sets: for a training, (set of cases, label source) pairs; the source is ``given``, ``truth`` or an artefact.
        start: artefact whose weights a training starts from, or None for new weights.
        snapshot: start from the early snapshot of ``start`` instead of its last weights.
        cases: for a prediction, the sets of cases to label.
        scores: for a score step, its comparisons.
        strategy: the strategy that first asked for the step.
        generation: ``0``, ``1``, ... or ``final``; that of an M_0 with an overlay names the overlay too.
        overlay: overlay of the bundle's configurations that a variant asks for, or empty.
        reduced: whether its labels are of the reduced classes.
        grouped: for a training in all classes, whether its pseudo labels know the reduced classes only.
    """

    makes: str
    kind: Literal["train", "predict", "score"]
    needs: tuple[str, ...] = ()
    view: str = ""
    epochs: int = 0
    sets: tuple[tuple[str, str], ...] = ()
    start: str | None = None
    snapshot: bool = False
    cases: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    strategy: str = ""
    generation: str = ""
    overlay: str = ""
    reduced: bool = False
    grouped: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one strategy leaves.

    Attributes:
        strategy: its name.
        models: final model artefacts, one per view.
        labels: last pseudo labels, one per fold.
        generation: of the final model.
        kind: the known strategy that it follows.
        first: generation of the M_0 that it builds on; empty for one that comes after another strategy.
        overlay: overlay of the bundle's configurations that its model needs, or empty.
        reduced: whether its model predicts the reduced classes.
    """

    strategy: str
    models: tuple[str, ...]
    labels: tuple[str, ...]
    generation: str
    kind: str = ""
    first: str = "0"
    overlay: str = ""
    reduced: bool = False


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each comes after all that it needs, and what each strategy leaves."""

    steps: tuple[Step, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=())

    def step(self, makes: str) -> Step:
        """The step that makes an artefact; KeyError where there is none."""
        for step in self.steps:
            if step.makes == makes:
                return step
        raise KeyError(makes)


def pending(plan: Iterable[Step], done: Container[str]) -> dict[Step, str]:
    """Each step still to run with its reason, in plan order; ``done`` names the artefacts whose record holds."""
    reasons: dict[Step, str] = {}
    remade: set[str] = set()
    for step in plan:
        if stale := remade.intersection(step.needs):
            reasons[step] = f"needs {min(stale)}"
        elif step.makes not in done:
            reasons[step] = "not made yet"
        else:
            continue
        remade.add(step.makes)
    return reasons
