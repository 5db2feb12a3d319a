"""How fast a run is and how much memory it takes: for forecasts."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from atso_monai.files import read_json, write_json
from atso_monai.ranks import Ranks, ranks


@dataclass(frozen=True)
class Measured:
    """What a short run told.

    Attributes:
        start: seconds from making the handler to the end of the first iteration.
        iteration: seconds of each further iteration, on average; of the first where there was no other.
        total: iterations that the whole run would have had.
        memory: largest resident memory of the process, bytes, or of all ranks of a training together; 0 where the
            system does not tell.
        gpu_memory: largest memory reserved on a GPU, bytes; 0 without one.
    """

    start: float
    iteration: float
    total: int
    memory: int
    gpu_memory: int


class Pace:
    """Measures a run, stops it after some time, and writes what it found to a JSON file when the run ends.

    The ranks of one training stop after the same iteration, and rank 0 writes.

    Args:
        path: the file.
        seconds: the run is stopped at the first iteration that ends this long after the first one.
    """

    def __init__(self, path: str | Path, seconds: float) -> None:
        self._path, self._seconds = Path(path).absolute(), seconds
        self._made = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._last = (self._made, 0)
        self._ranks = Ranks()

    def attach(self, engine: Engine) -> None:
        """Register on every iteration and on completion."""
        self._ranks = ranks()
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _iteration(self, engine: Engine) -> None:
        self._last = (time.monotonic(), engine.state.iteration)
        self._first = self._first or self._last
        if self._ranks.highest(int(self._last[0] - self._first[0] >= self._seconds)):
            engine.terminate()

    def _write(self, engine: Engine) -> None:
        first, last = self._first or self._last, self._last
        more = last[1] - first[1]
        start = first[0] - self._made
        total = (engine.state.epoch_length or 0) * (engine.state.max_epochs or 1)
        iteration = (last[0] - first[0]) / more if more else start
        memory, gpu = self._ranks.total(_memory()), self._ranks.highest(_gpu_memory())
        if self._ranks.rank == 0:
            write_json(self._path, asdict(Measured(start, iteration, total, memory, gpu)))


def read_measured(path: Path) -> Measured:
    """What a :class:`Pace` wrote."""
    content: dict[str, Any] = read_json(path)
    return Measured(**content)


def _memory() -> int:
    """Largest resident memory of this process so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _gpu_memory() -> int:
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0
