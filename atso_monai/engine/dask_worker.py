"""What runs inside a dask worker: each call in a fresh process, as on one machine, ended when nobody wants it."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Reschedule, Worker, WorkerPlugin, get_worker

from atso_monai.engine.devices import Lender, wanted
from atso_monai.engine.preflight import require_devices
from atso_monai.engine.processes import FreshProcesses, ProcessEndedError, WorkerError
from atso_monai.engine.worker import versions
from atso_monai.errors import ClusterError

ASKED = (-signal.SIGTERM, -getattr(signal, "SIGUSR1", signal.SIGTERM))
"""Exit status of a process that a batch system asked to end: its step has a checkpoint and can go on elsewhere."""
_running: dict[str, tuple[str, FreshProcesses]] = {}
"""Processes at work in this worker, by key of the task, with the run that they work for."""
_lender = Lender()


@dataclass(frozen=True)
class Site:
    """What a worker must find for the steps of a run.

    Attributes:
        token: an empty file in the run folder, by its absolute path on the engine's machine.
        devices: the devices that each worker lends to steps.
        versions: those of the engine's packages.
    """

    token: Path
    devices: tuple[str, ...]
    versions: dict[str, str]

    @property
    def run_dir(self) -> str:
        """The run folder, absolute."""
        return str(self.token.parent)


def require_fit(site: Site) -> None:
    """Refuse a worker on which the steps of a run could not be carried out, or not with the same results.

    Raises:
        ClusterError: says what differs and how to start the worker instead.
    """
    if multiprocessing.current_process().daemon:
        raise ClusterError(
            "A dask worker is a daemonic process and so may not start the processes of steps. Start workers with the "
            "environment variable DASK_DISTRIBUTED__WORKER__DAEMON=False, or with --no-nanny."
        )
    if (own := versions()) != site.versions:
        raise ClusterError(f"A dask worker has {own}, the engine {site.versions}. Install the same versions on both.")
    if not site.token.is_file():
        raise ClusterError(
            f"A dask worker does not see the run folder {site.run_dir}. It must lie on storage that all machines "
            "share, at the same path on each; so must the images."
        )
    require_devices(site.devices)


def call_on_worker(site: Site, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``fn`` in a fresh process with one more argument, ``device``, see :class:`~.executors.LocalExecutor`.

    Raises:
        WorkerError: when the call failed.
        Reschedule: when a batch system asked its process to end; another worker goes on.
    """
    require_fit(site)
    key, processes = get_worker().get_current_task(), FreshProcesses()
    _running[key] = site.run_dir, processes
    try:
        with _lender.lend(site.devices, wanted(args)) as device:
            return processes.call(fn, args, {**kwargs, "device": device})
    except ProcessEndedError as error:
        if error.exit_status in ASKED:
            raise Reschedule from None
        raise WorkerError(str(error)) from None
    finally:
        del _running[key]


async def end_processes(run_dir: str | None = None) -> None:
    """End the processes of a run (None: of all runs) in this worker; trainings leave checkpoints."""
    found = [one for name, one in list(_running.values()) if run_dir in (None, name)]
    await asyncio.gather(*(asyncio.to_thread(one.stop) for one in found))


class Steps(WorkerPlugin):
    """Ends the process of a step when its task is cancelled (its engine is gone) and when the worker leaves.

    Args:
        ignore_interrupts: leave Ctrl-C to the engine, for workers that run in its terminal.
    """

    name = "atso_monai-steps"

    def __init__(self, ignore_interrupts: bool) -> None:
        self._ignore_interrupts = ignore_interrupts

    def setup(self, worker: Worker) -> None:
        """Called once in each worker."""
        if self._ignore_interrupts and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def transition(self, key: str, start: str, finish: str, **kwargs: Any) -> None:
        """Called when the state of a task changes."""
        if finish == "released" and key in _running:
            threading.Thread(target=_running[key][1].stop, daemon=True).start()

    async def teardown(self, worker: Worker) -> None:
        """Called when the worker closes."""
        await end_processes()
