"""One step, carried out where an executor puts it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import monai
import torch

import atso_monai
from atso_monai.bundle_run import Attachable, run_config
from atso_monai.checkpoint import CheckpointFolder, Interval
from atso_monai.engine.record import Result, hash_files, write_result
from atso_monai.errors import AtsoError
from atso_monai.files import hash_file
from atso_monai.stopping import StopSignal

LOG = "log.txt"
DESCRIPTION = ("config.yaml", "datalist.json", "metadata.json")
FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 1 << 20
"""Bytes below which a disk counts as full."""
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
        workers: steps that run at a time.
        interval: how often a training keeps a checkpoint of itself.
        made_from: what the step is made from, for its record.
        ranks: processes of a training, each on a device of its own.
    """

    makes: str
    kind: str
    folder: str
    key: str
    expected: tuple[str, ...]
    threads: int
    workers: int = 1
    interval: Interval = field(default_factory=Interval)
    made_from: Mapping[str, Any] = field(default_factory=dict)
    ranks: int = 1


def run_step(order: Order, *, device: str | None = None) -> dict[str, Any]:
    """Run the bundle configuration of a step folder and declare the step done.

    Args:
        order: the order.
        device: where to; names separated by commas for a training of several ranks. None leaves it to the bundle.

    Returns:
        The written :class:`~atso_monai.engine.record.Result` as a dict.

    Raises:
        AtsoError: when the run did not leave all that it should, or the disk is full.
        StopSignal: when it was asked to stop; a training has left a checkpoint then, if there was time.
    """
    folder, began, since = Path(order.folder), time.time(), time.monotonic()
    checkpoints = checkpoints_of(order)
    run_bundle(order, device, checkpoints=checkpoints)
    pictures = order.expected[:1] and order.expected[0].endswith(".png")
    files = hash_files(folder, "*.png" if pictures else PATTERNS[order.kind])
    missing = sorted(set(order.expected) - files.keys())
    if missing:
        raise AtsoError(f"{len(missing)} of {len(order.expected)} files were not written, first {missing[0]}")
    seconds = round(time.monotonic() - since, 3)
    result = declare(order, files, seconds, _settings(order, device, began))
    checkpoints.clear()
    return asdict(result)


def declare(order: Order, files: Mapping[str, str], seconds: float, settings: Mapping[str, Any]) -> Result:
    """Declare the step of an order done, with its artefact files (name to SHA-256)."""
    folder = Path(order.folder)
    made_from = {**order.made_from, "step": {n: hash_file(folder / n) for n in DESCRIPTION if (folder / n).is_file()}}
    result = Result(order.makes, order.key, files, seconds, settings, made_from).sealed()
    with _told_when_full(folder):
        write_result(folder, result)
    return result


def run_bundle(
    order: Order,
    device: str | None,
    *,
    watch: Sequence[Attachable] = (),
    checkpoints: CheckpointFolder | None = None,
) -> None:
    """Run the bundle configuration of a step folder, its artefacts into that folder, its output into its log."""
    with quiet(Path(order.folder) / LOG):
        if order.ranks == 1:
            run_here(order, device, watch=watch, checkpoints=checkpoints)
        else:
            from atso_monai.engine.torchrun import run_ranks

            run_ranks(order, device, watch=watch, checkpoints=checkpoints)


def run_here(
    order: Order,
    device: str | None,
    *,
    watch: Sequence[Attachable] = (),
    checkpoints: CheckpointFolder | None = None,
    on_error: Callable[[Exception], None] | None = None,
) -> None:
    """The same in this process, which may be one of several ranks, with its output where that goes anyway."""
    overrides: dict[str, Any] = {"output_dir": "."}
    if device is not None and order.kind != "score":
        overrides["device"] = f"$torch.device('{device}')"
    folder = Path(order.folder)
    with _threads(order.threads), _told_when_full(folder):
        run_config(folder, order.kind, overrides, watch, checkpoints, order.interval, on_error)


def checkpoints_of(order: Order) -> CheckpointFolder:
    """Where a training keeps its checkpoint: good for the same request, versions and threads only."""
    return CheckpointFolder(Path(order.folder), {"key": order.key, "threads": order.threads, **versions()})


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on, by name."""
    return {"atso_monai": atso_monai.__version__, "monai": monai.__version__, "torch": str(torch.__version__)}


def _settings(order: Order, device: str | None, began: float) -> dict[str, Any]:
    machine = {"python": platform.python_version(), "threads": order.threads, "workers": order.workers}
    ranks = {"ranks": order.ranks} if order.kind == "train" else {}
    return {**versions(), **machine, **ranks, "device": device or "auto", "began": began}


@contextlib.contextmanager
def _told_when_full(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if (told := told_when_full(error, folder)) is error:
            raise
        raise told from error


def told_when_full(error: Exception, folder: Path) -> Exception:
    """Name a full disk as such: torch and others have their own words for it. Other errors come back as they are."""
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "errno", None) not in FULL:
        cause = cause.__cause__
    if cause is None and shutil.disk_usage(folder).free > LITTLE:
        return error
    return AtsoError(f"there is no space left on the disk of {folder}. Free some; what was finished is kept.")


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def quiet(path: Path, rank: int | None = None) -> Iterator[None]:
    """Everything that the run prints or logs, native libraries included, goes to the step's own file; its error too.

    Args:
        path: the file.
        rank: number of this process where several write to the file at a time; it is begun anew by None alone.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    if rank is None:
        path.write_bytes(b"")
    name = "" if rank is None else f"[rank {rank}] "
    with path.open("a", encoding="utf-8") as file, _descriptors(file.fileno()):
        root.handlers[:] = [logging.StreamHandler(file)]
        root.handlers[0].setFormatter(logging.Formatter(f"%(asctime)s {name}%(name)s %(levelname)s: %(message)s"))
        root.setLevel(logging.INFO)
        try:
            yield
        except StopSignal as stop:
            print(f"{stop}.", file=file)
            raise
        except BaseException:
            file.write(name and f"{name}failed\n")
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
