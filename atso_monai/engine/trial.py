"""Short trials of a run's real steps, in a folder of their own: what a forecast is made from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atso_monai.engine.orders import Draft, draft
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.step_folder import write
from atso_monai.engine.worker import Order, run_bundle
from atso_monai.engine.workplace import Workplace
from atso_monai.handlers import Measured, Pace, read_measured

MEASURED = "measured.json"
CASES = 2
"""Cases of the trial prediction: the second tells the time of each further one."""

Run = Callable[..., Any]
"""Carries out ``try_order`` with its arguments, e.g. in a process of its own."""


@dataclass(frozen=True)
class Trials:
    """What the trials of a plan told: of one training, and of one prediction with the weights that it left."""

    train: Measured
    predict: Measured
    weights: int
    labels: int


def run_trials(place: Workplace, plan: Plan, folder: Path, seconds: float, run: Run) -> Trials:
    """Train for some seconds and label a few cases, as the first steps of the plan would.

    Args:
        place: the run's workplace, checked.
        plan: its plan.
        folder: an existing folder for the trial; what is prepared there is thrown away with it.
        seconds: how long to train after the first iteration.
        run: called as ``run(try_order, order, seconds)``; waits for the end.

    Returns:
        what was measured; ``weights`` and ``labels`` are bytes of one network and of one case's label.
    """
    (folder / "cache").mkdir(exist_ok=True)
    trial = replace(place, run_dir=folder)
    train = next(step for step in plan.steps if step.kind == "train" and not step.needs)
    trained = _carry_out(trial, draft(trial, train, {}), seconds, run)
    predict = next(step for step in plan.steps if step.kind == "predict")
    weights = _share_weights(trial, train, predict)
    described = draft(trial, predict, dict.fromkeys(predict.needs, ""))
    predicted = _carry_out(trial, replace(described, datalist=described.datalist[:CASES]), 3600.0, run)
    labels = [file.stat().st_size for file in trial.folder(predict.makes).glob("*.nii.gz")]
    return Trials(trained, predicted, weights, max(labels, default=0))


def _carry_out(place: Workplace, described: Draft, seconds: float, run: Run) -> Measured:
    write(place, described)
    run(try_order, described.order, seconds)
    return read_measured(Path(described.order.folder) / MEASURED)


def _share_weights(place: Workplace, train: Step, predict: Step) -> int:
    """The few iterations' weights for all views that a prediction needs: enough to see how long it takes."""
    weights = place.folder(train.makes) / "model.pt"
    for name in predict.needs:
        target = place.folder(name) / weights.name
        if target != weights:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(weights, target)
    return weights.stat().st_size


def try_order(order: Order, seconds: float, *, device: str | None = None) -> None:
    """Run the bundle configuration of a step folder for a while; declares nothing done."""
    run_bundle(order, device, watch=[Pace(Path(order.folder) / MEASURED, seconds)])
