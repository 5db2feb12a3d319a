"""Which steps run and which failed, in a small file of the run folder: for `atso status`, from anywhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from atso_monai.checkpoint import CheckpointFolder
from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result
from atso_monai.files import read_json, write_json

FILE = ".steps.json"


@dataclass(frozen=True)
class Posted:
    """What an engine posted last.

    Attributes:
        workers: steps at a time.
        running: for each step that runs, when it started (seconds since 1970, by the engine's clock) and the fraction
            of it that a checkpoint had kept by then.
        failed: for each step that failed since the engine started, why.
    """

    workers: int = 1
    running: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


class Board:
    """Posts what happens in a run; a listener of :func:`atso_monai.engine.runner.walk`.

    Args:
        run_dir: the run folder.
        workers: steps at a time.
    """

    def __init__(self, run_dir: Path, workers: int) -> None:
        self._run_dir, self._workers = run_dir, workers
        self._running: dict[str, tuple[float, float]] = {}
        self._failed: dict[str, str] = {}
        self._post()

    def kept(self, step: Step) -> None:
        """A step was done before."""

    def started(self, step: Step, reason: str, note: str = "") -> None:
        """A step starts, perhaps where a checkpoint left it."""
        self._running[step.makes] = (time.time(), kept_fraction(self._run_dir / step.makes))
        self._post()

    def finished(self, step: Step, result: Result) -> None:
        """A step is done."""
        self._running.pop(step.makes, None)
        self._post()

    def failed(self, step: Step, reason: str) -> None:
        """A step failed."""
        self._running.pop(step.makes, None)
        self._failed[step.makes] = reason
        self._post()

    def tick(self) -> None:
        """Nothing is posted between events."""

    def close(self) -> None:
        """Nothing runs any more."""
        self._running.clear()
        self._post()

    def _post(self) -> None:
        with contextlib.suppress(OSError):  # a full disk is told by those who have something to write
            write_json(self._run_dir / FILE, asdict(Posted(self._workers, self._running, self._failed)))


def kept_fraction(folder: Path) -> float:
    """The fraction of a training that its checkpoint holds; 0 without one."""
    record = CheckpointFolder(folder, {}).read()
    return record.iteration / record.total if record and record.total else 0.0


def read_board(run_dir: Path) -> Posted:
    """What an engine posted last in a run folder; nothing where none did."""
    try:
        content = read_json(run_dir / FILE)
        running = {str(name): (float(since), float(kept)) for name, (since, kept) in content["running"].items()}
        failed = {str(name): str(reason) for name, reason in content["failed"].items()}
        return Posted(int(content["workers"]), running, failed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Posted()
