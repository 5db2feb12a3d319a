"""The loss of every iteration of a training, in a small table."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path

from ignite.engine import Engine, Events

from atso_monai.files import write_text
from atso_monai.handlers.progress import loss_of
from atso_monai.stopping import asked_to_stop

FILE = "losses.csv"
"""Name of the file in the folder of a step."""
HEAD = "iteration,loss\n"


class LossCurve:
    """Appends iteration and loss to a CSV file, and goes on with it where a training is taken up.

    Args:
        path: the file.
        interval: least time between two writes, in seconds.
    """

    def __init__(self, path: str | Path, interval: float = 2.0) -> None:
        self._path = Path(path).absolute()
        self._interval = interval
        self._begun = False
        self._last = time.monotonic()
        self._waiting: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Register on every iteration and on completion."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _iteration(self, engine: Engine) -> None:
        loss = loss_of(engine.state.output)
        if loss is None:
            return
        if not self._begun:
            self._begin(engine.state.iteration)
        self._waiting.append(f"{engine.state.iteration},{loss:.8g}\n")
        due = time.monotonic() - self._last >= self._interval
        if due or not math.isfinite(loss) or asked_to_stop() is not None:  # the last two end the training
            self._write(engine)

    def _begin(self, iteration: int) -> None:
        """Drop what an earlier attempt did from here on."""
        self._begun = True
        before = [f"{number},{loss:.8g}\n" for number, loss in read_losses(self._path) if number < iteration]
        with contextlib.suppress(OSError):
            write_text(self._path, HEAD + "".join(before))

    def _write(self, engine: Engine) -> None:
        self._last = time.monotonic()
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:  # nothing depends on it
            file.write("".join(self._waiting))
        self._waiting.clear()


def read_losses(path: Path) -> list[tuple[int, float]]:
    """Iterations and losses that a :class:`LossCurve` wrote so far; lines that are not whole are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        number, comma, loss = line.partition(",")
        with contextlib.suppress(ValueError):
            if comma and line.endswith("\n"):
                found.append((int(number), float(loss)))
    return found
