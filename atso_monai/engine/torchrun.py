"""One training in several processes, its ranks, started from this one as ``torchrun --standalone`` starts them."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from atso_monai.bundle_run import Attachable
from atso_monai.checkpoint import CheckpointFolder
from atso_monai.engine.processes import death, describe, start_method, start_server, watch_parent, without_main
from atso_monai.engine.worker import LOG, Order, quiet, run_here, told_when_full
from atso_monai.errors import AtsoError
from atso_monai.stopping import GRACE, SIGNALS, StopSignal, stop_signals

REASON = ".failed.txt"
"""File in the step folder in which the first rank that fails says why: the others fail because of it."""
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals for which torch's launcher may leave handlers of its own."""
SETTLE = 0.5
"""Seconds that a rank which failed stays, so that one that was killed before is found first."""


def run_ranks(
    order: Order, device: str | None, *, watch: Sequence[Attachable] = (), checkpoints: CheckpointFolder | None = None
) -> None:
    """Run the training of a step folder in ``order.ranks`` processes, which end with this one.

    Args:
        order: of a training whose configuration has the bundle's overlay for torchrun in it.
        device: names of the ranks' devices, separated by commas; None leaves them to the overlay.
        watch: further handlers to attach in each rank; they must pickle.
        checkpoints: where the training keeps checkpoints of itself.

    Raises:
        AtsoError: when a rank failed; in its words.
        StopSignal: when this process, or a rank, was asked to stop; the training has left a checkpoint then, if there
            was time.
    """
    reason = Path(order.folder) / REASON
    reason.unlink(missing_ok=True)
    logging.getLogger("torchelastic-events-null").propagate = False  # not for people, and many
    start_server()
    with tempfile.TemporaryDirectory(prefix="atso-ranks-") as logs, _as_it_was(), without_main():
        try:
            elastic_launch(_launch(order.ranks, logs), _rank)(order, device, tuple(watch), checkpoints)
        except ChildFailedError as error:
            raise _told(error, Path(order.folder), order.ranks) from None
        except SignalException as stop:  # of a torch that takes all signals for itself
            raise StopSignal(stop.sigval) from None
        finally:
            reason.unlink(missing_ok=True)


def _launch(count: int, logs: str) -> LaunchConfig:
    """What ``torchrun --standalone --nproc_per_node COUNT`` takes, but for signals, which are ours."""
    recent = {"signals_to_handle": "SIGQUIT", "shutdown_timeout": int(GRACE)}  # not in torch 2.4
    known: dict[str, Any] = {n: value for n, value in recent.items() if n in LaunchConfig.__dataclass_fields__}
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        start_method=start_method(),
        logs_specs=DefaultLogsSpecs(log_dir=logs),
        **known,
    )


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Put back what a launch changes in this process, and leave no rank behind, whatever ends the launch."""
    variable, there = "TORCHELASTIC_SIGNALS_TO_HANDLE", set(multiprocessing.active_children())
    handlers = {signum: signal.getsignal(signum) for signum in HANDLED}
    before = os.environ.get(variable)
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - there:
            process.kill()
            process.join()
        os.environ.pop(variable, None)
        os.environ.update({} if before is None else {variable: before})
        with contextlib.suppress(ValueError):  # not the main thread, which alone handles signals
            for signum, handler in handlers.items():
                signal.signal(signum, handler)


def _told(error: ChildFailedError, folder: Path, count: int) -> BaseException:
    """What a launch that failed is to raise."""
    rank, failure = error.get_first_failure()
    if -failure.exitcode in SIGNALS:
        return StopSignal(-failure.exitcode)
    reason = ""
    if failure.exitcode > 0:
        with contextlib.suppress(OSError):
            reason = (folder / REASON).read_text(encoding="utf-8")
    return told_when_full(
        AtsoError(reason or f"rank {rank} of its {count} processes {death(failure.exitcode)}"), folder
    )


def _rank(order: Order, device: str | None, watch: Sequence[Attachable], checkpoints: CheckpointFolder | None) -> None:
    """Body of a rank: Ctrl-C is left to the engine; asked to stop by another signal, it ends by that signal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_parent()
    rank, folder = int(os.environ["RANK"]), Path(order.folder)
    own = device.split(",")[int(os.environ["LOCAL_RANK"])] if device else None
    say_why = partial(_say_why, folder, rank)
    try:
        with stop_signals(patient=True), quiet(folder / LOG, rank):
            run_here(order, own, watch=watch, checkpoints=checkpoints, on_error=say_why)
    except StopSignal as stop:
        os.kill(os.getpid(), stop.signum)
    except Exception as error:
        say_why(error)
        raise


def _say_why(folder: Path, rank: int, error: Exception) -> None:
    """Say why this rank fails, where no other one did before and the disk has room."""
    reason = describe(told_when_full(error, folder))
    with contextlib.suppress(OSError), (folder / REASON).open("x", encoding="utf-8") as file:
        file.write(f"rank {rank}: {reason}" if rank else reason)
        file.flush()
        time.sleep(SETTLE)
