"""One run of a bundle's configuration, inside the folder of its step."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Engine
from monai.bundle import ConfigWorkflow

from atso_monai.adapter import FOLDER, SCRATCH, SECTION, own_code, own_workers
from atso_monai.bundle import CONFIG, engine_id, in_folder, set_ids
from atso_monai.checkpoint import CheckpointFolder, Interval, TrainingCheckpoint, stateful
from atso_monai.errors import AtsoError
from atso_monai.handlers import FiniteLoss, LossCurve, Progress
from atso_monai.handlers.loss_curve import FILE as LOSSES
from atso_monai.ranks import ranks
from atso_monai.stopping import obey, postponed

ENGINES = {"train": "train::trainer", "predict": "evaluator"}
WORKFLOW_TYPES = {"train": "train", "predict": "infer", "score": None}


class Attachable(Protocol):
    """A handler of ours: it registers itself on an ignite engine."""

    def attach(self, engine: Engine) -> None:
        """Register on the events that it needs."""


def run_config(
    folder: Path,
    kind: str,
    overrides: Mapping[str, Any],
    watch: Sequence[Attachable] = (),
    checkpoints: CheckpointFolder | None = None,
    interval: Interval | None = None,
    on_error: Callable[[Exception], None] | None = None,
) -> None:
    """Run ``config.yaml`` of a folder as one MONAI bundle workflow, from inside that folder.

    ``finalize`` runs also after an error, which MONAI's own command line leaves out, and what a run leaves behind in
    the process (working folder, ``sys.path``, determinism) is put back.

    Args:
        folder: a folder with ``config.yaml`` and ``metadata.json``.
        kind: ``train``, ``predict`` or ``score``.
        overrides: ids to set for this run only.
        watch: further handlers to attach to the trainer or evaluator.
        checkpoints: where a training keeps checkpoints of itself; None for a training that keeps none.
        interval: how often it does.
        on_error: told of an error before ``finalize`` runs.

    Raises:
        StopSignal: when it was asked to stop; a training has left a checkpoint then, if there was time.
    """
    with in_folder(folder), own_code(folder / FOLDER), _scratch(folder / SCRATCH):
        workflow = _workflow(kind)
        set_ids(workflow.parser.get(), overrides, str(folder / CONFIG))
        try:
            workflow.initialize()
            _watch(workflow, kind, watch)
            with own_workers(SECTION in workflow.parser.get()):
                if kind == "train" and checkpoints is not None:
                    _run_with_checkpoints(workflow, checkpoints, interval or Interval())
                else:
                    workflow.run()
            if kind == "train":
                _require_steps(workflow)
        except Exception as error:
            if on_error is not None:
                on_error(error)
            raise
        finally:
            workflow.finalize()


def set_up(folder: Path, kind: str) -> tuple[torch.nn.Module, Any]:
    """Make all parts of ``config.yaml`` of a folder, but run nothing; returns the network and the dataset's first item.

    Args:
        folder: a folder with ``config.yaml`` and ``metadata.json`` of a bundle that was rewired for the engine.
        kind: ``train`` or ``predict``.
    """
    with in_folder(folder), own_code(folder / FOLDER), _scratch(folder / SCRATCH):
        workflow = _workflow(kind)
        try:
            workflow.initialize()
            engine = workflow.parser.get_parsed_content(f"{SECTION}::{ENGINES[kind]}")
            item = engine.data_loader.dataset[0]
            network: torch.nn.Module = workflow.parser.get_parsed_content(f"{SECTION}::network")
        finally:
            workflow.finalize()
        return network, item


def _workflow(kind: str) -> ConfigWorkflow:
    return ConfigWorkflow(
        config_file=CONFIG, meta_file="metadata.json", logging_file=False, workflow_type=WORKFLOW_TYPES[kind]
    )


def _watch(workflow: ConfigWorkflow, kind: str, more: Sequence[Attachable]) -> None:
    """Attach what every run of ours is watched by: its progress, its losses, and that they stay finite.

    Of several ranks the first one writes.
    """
    if kind in ENGINES:
        engine = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES[kind]))
        written: list[Attachable] = [Progress("progress.json")] + ([LossCurve(LOSSES)] if kind == "train" else [])
        checked: list[Attachable] = [FiniteLoss()] if kind == "train" else []
        for handler in (*(written if ranks().rank == 0 else ()), *checked, *more):
            handler.attach(engine)


def _run_with_checkpoints(workflow: ConfigWorkflow, folder: CheckpointFolder, interval: Interval) -> None:
    trainer = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES["train"]))
    handler = TrainingCheckpoint(folder, stateful(workflow.parser.ref_resolver.resolved_content), interval)
    handler.attach(trainer)  # the last one: what it keeps is what all others left
    with postponed():
        workflow.run()
    if not handler.completed:  # some handler took the exception for itself
        obey()
        raise AtsoError("The training ended before its time, without an error of its own.")


def _require_steps(workflow: ConfigWorkflow) -> None:
    """Ignite ends a training whose loader is empty without a word."""
    trainer = workflow.parser.get_parsed_content(engine_id(workflow.parser.get(), ENGINES["train"]))
    if not trainer.state.iteration:
        raise AtsoError("The training took no step: its data loader gave no batch. Look at its data and batch size.")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    """What a run puts into its scratch folder goes with it, and what a killed one left there before."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
