"""How far a run is, in a small file that others read."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from atso_monai.files import write_json


class Progress:
    """Writes iterations done, iterations in all and the last loss of an engine to a JSON file.

    Args:
        path: the file, replaced in one step each time.
        interval: least time between two writes, in seconds.
    """

    def __init__(self, path: str | Path, interval: float = 0.5) -> None:
        self._path = Path(path).absolute()
        self._interval = interval
        self._last = 0.0

    def attach(self, engine: Engine) -> None:
        """Register on every iteration and on completion."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _iteration(self, engine: Engine) -> None:
        if time.monotonic() - self._last >= self._interval:
            self._write(engine)

    def _write(self, engine: Engine) -> None:
        self._last = time.monotonic()
        total = (engine.state.epoch_length or 0) * (engine.state.max_epochs or 1)
        with contextlib.suppress(OSError):  # a full disk may have room again; nothing depends on this file
            write_json(
                self._path, {"done": engine.state.iteration, "total": total, "loss": loss_of(engine.state.output)}
            )


def loss_of(output: Any) -> float | None:
    """The loss in the output of a MONAI trainer; None where there is none."""
    first = output[0] if isinstance(output, list) and output else output
    loss = first.get(CommonKeys.LOSS) if isinstance(first, dict) else None
    return None if loss is None else float(torch.as_tensor(loss).detach())


def read_progress(path: Path) -> dict[str, Any]:
    """What a :class:`Progress` wrote last, or an empty dict."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"done", "total"} <= content.keys() else {}
