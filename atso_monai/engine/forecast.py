"""What a run will take: hours, memory and disk, from short trials of its own steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from atso_monai.engine.memory import memory_bytes
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.reporter import clock
from atso_monai.engine.schedule import Room, makespan
from atso_monai.engine.shards import shard_count
from atso_monai.engine.tables import align
from atso_monai.engine.trial import Trials
from atso_monai.errors import ConfigError

SCORE_SECONDS = 2.0
"""Of a score step, which compares small files; too little to be measured."""


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes:
        seconds: of each step that is still to do, by artefact.
        wall: seconds of the whole run on its workers.
        workers: trainings at a time, which other steps may exceed.
        memory: bytes that the processes at work at one time take together, at most.
        gpu_memory: bytes of one step on a GPU, at most; 0 without one.
        disk: bytes that the steps will write, prepared volumes apart.
        cache: bytes of prepared volumes.
    """

    plan: Plan
    seconds: Mapping[str, float]
    wall: float
    workers: int
    memory: int
    gpu_memory: int
    disk: int
    cache: int


def forecast(
    plan: Plan, trials: Trials, cases: Mapping[str, int], *, done: Collection[str], room: Room, cache: int
) -> Forecast:
    """Extrapolate from trials to a plan.

    Args:
        plan: the plan.
        trials: what its first training and first prediction told.
        cases: number of cases in each set: folds by name, ``test``.
        done: artefacts that are there already.
        room: for which steps there is room at one time.
        cache: bytes of all prepared volumes.
    """
    seconds = {step.makes: 0.0 if step.makes in done else _seconds(step, plan, trials, cases) for step in plan.steps}
    predicted = sum(cases[name] for step in plan.steps for name in step.cases)
    trained = sum(step.kind == "train" for step in plan.steps)
    return Forecast(
        plan=plan,
        seconds=seconds,
        wall=makespan(
            plan, lambda step: seconds[step.makes], room, lambda step: shard_count(sum(cases[c] for c in step.cases))
        ),
        workers=room.trainings(),
        memory=max(trials.train.memory * room.trainings(), trials.predict.memory * room.others()),
        gpu_memory=max(trials.train.gpu_memory, trials.predict.gpu_memory),
        disk=trained * trials.weights + predicted * trials.labels,
        cache=cache,
    )


def _seconds(step: Step, plan: Plan, trials: Trials, cases: Mapping[str, int]) -> float:
    if step.kind == "score":
        return SCORE_SECONDS
    if step.kind == "predict":
        return trials.predict.start + trials.predict.iteration * (sum(cases[name] for name in step.cases) - 1)
    tried = next(one for one in plan.steps if one.kind == "train")
    per_epoch = trials.train.total / max(1, tried.epochs)
    return trials.train.start + trials.train.iteration * (per_epoch * step.epochs - 1)


def forecast_table(found: Forecast) -> str:
    """Steps by kind with hours each and in all, then the whole run: time, memory, disk."""
    lines = [["steps", "to do", "each", "in all"]]
    for kind in ("train", "predict", "score"):
        times = [found.seconds[s.makes] for s in found.plan.steps if s.kind == kind and found.seconds[s.makes]]
        if times:
            each = clock(min(times)) if max(times) - min(times) < 1 else f"{clock(min(times))} to {clock(max(times))}"
            lines.append([kind, str(len(times)), each, clock(sum(times))])
    gpu = f", {_size(found.gpu_memory)} on each GPU" if found.gpu_memory else ""
    return "\n".join(
        [
            align(lines),
            f"whole run      about {clock(found.wall)} with {found.workers} steps at a time",
            f"memory         about {_size(found.memory)} for {found.workers} steps at a time{gpu}",
            f"disk           {_size(found.disk)} of weights and labels, {_size(found.cache)} of prepared volumes",
        ]
    )


def require_memory(found: Forecast, available: int | None = None) -> None:
    """Refuse a run whose processes do not fit into the memory together.

    Args:
        found: the forecast.
        available: bytes; None asks the machine.

    Raises:
        ConfigError: says how many workers fit.
    """
    limit = memory_bytes() if available is None else available
    if not limit or found.memory <= limit:
        return
    each = found.memory // found.workers
    fits = limit // each
    way = f"Take --workers {fits}." if fits else "Take a smaller batch_size or size, or a machine with more memory."
    raise ConfigError(
        f"{found.workers} steps at a time take about {_size(found.memory)} of memory ({_size(each)} each), but there "
        f"are {_size(limit)}. {way}"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
