"""One step, carried out where an executor puts it."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import monai
import torch

import atso_monai
from atso_monai.bundle import run_config
from atso_monai.engine.record import Result, hash_files, write_result
from atso_monai.errors import AtsoError

LOG = "log.txt"
PATTERNS = {"train": "*.pt", "predict": "*.nii.gz", "score": "*.csv"}


@dataclass(frozen=True)
class Order:
    """What a worker needs to know to carry out a step whose folder is ready.

    Attributes:
        makes: name of the artefact.
        kind: ``train``, ``predict`` or ``score``.
        folder: the step folder, absolute.
        key: hash of the request.
        expected: files that the step must leave.
        threads: CPU threads to use.
    """

    makes: str
    kind: str
    folder: str
    key: str
    expected: tuple[str, ...]
    threads: int


def run_step(order: Order, *, device: str | None = None) -> dict[str, Any]:
    """Run the bundle configuration of a step folder and declare the step done.

    Returns:
        The written :class:`~atso_monai.engine.record.Result` as a dict.

    Raises:
        AtsoError: when the run did not leave all that it should.
    """
    folder, began, since = Path(order.folder), time.time(), time.monotonic()
    overrides: dict[str, Any] = {"output_dir": "."}
    if device is not None and order.kind != "score":
        overrides["device"] = f"$torch.device('{device}')"
    with _threads(order.threads), _log(folder / LOG):
        run_config(folder, order.kind, overrides)
    pictures = order.expected[:1] and order.expected[0].endswith(".png")
    files = hash_files(folder, "*.png" if pictures else PATTERNS[order.kind])
    missing = sorted(set(order.expected) - files.keys())
    if missing:
        raise AtsoError(f"{len(missing)} of {len(order.expected)} files were not written, first {missing[0]}")
    result = Result(order.makes, order.key, files, round(time.monotonic() - since, 3), _settings(order, device, began))
    write_result(folder, result)
    return asdict(result)


def _settings(order: Order, device: str | None, began: float) -> dict[str, Any]:
    versions = {"atso_monai": atso_monai.__version__, "monai": monai.__version__, "torch": torch.__version__}
    machine = {"python": platform.python_version(), "threads": order.threads, "device": device or "auto"}
    return {**versions, **machine, "began": began}


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _log(path: Path) -> Iterator[None]:
    """Everything that the run prints or logs, native libraries included, goes to the step's own file; its error too."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with path.open("w", encoding="utf-8") as file, _descriptors(file.fileno()):
        root.handlers[:] = [logging.StreamHandler(file)]
        root.handlers[0].setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
        root.setLevel(logging.INFO)
        try:
            yield
        except BaseException:
            traceback.print_exc(file=file)
            raise
        finally:
            root.handlers[:], root.level = handlers, level


@contextlib.contextmanager
def _descriptors(target: int) -> Iterator[None]:
    """Standard output and error of the whole process to ``target``: MONAI's loggers hold on to the old streams."""
    _flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        _flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
