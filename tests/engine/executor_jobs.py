"""Calls for test_executors.py: worker processes import them by name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from atso_monai.errors import CheckpointError


def echo(value: Any, device: str | None = None) -> tuple[Any, str | None, int]:
    return value, device, os.getpid()


def occupy(seconds: float, device: str | None = None) -> tuple[str | None, float, float]:
    began = time.monotonic()
    time.sleep(seconds)
    return device, began, time.monotonic()


def fail(kind: str, device: str | None = None) -> None:
    if kind == "wrapped":
        try:
            raise CheckpointError("g0.pt does not fit")
        except CheckpointError as error:
            raise RuntimeError("Failed to instantiate component") from error
    raise {"value": ValueError("7 is odd"), "exit": SystemExit(3)}[kind]


def die(how: str, device: str | None = None) -> None:
    if how == "exit":
        os._exit(5)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(30)


def stubborn(device: str | None = None) -> None:
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            continue


def interrupted(device: str | None = None) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def unpicklable(device: str | None = None) -> Any:
    return threading.Lock()


def modules(device: str | None = None) -> dict[str, Any]:
    main = sys.modules["__main__"]
    return {"monai": "monai" in sys.modules, "main": getattr(main, "__file__", None), "pid": os.getpid()}


def stay(file: str, device: str | None = None) -> None:
    """Stays until it is asked to end, and then for as long as a checkpoint takes; counts how often it was asked."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    Path(file).write_text(str(os.getpid()))
    while not asked:
        time.sleep(0.05)
    time.sleep(0.5)
    Path(f"{file} asked").write_text(str(len(asked)))


def lost_once(file: str, how: str, device: str | None = None) -> str:
    """Leaves a mark, then goes with its worker, or alone; the second time it finds the mark."""
    if Path(file).exists():
        return Path(file).name
    Path(file).touch()
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    os.kill(
        parent.pid if how == "its worker" else os.getpid(), signal.SIGKILL if how == "its worker" else signal.SIGTERM
    )
    time.sleep(60)
    return "never"
