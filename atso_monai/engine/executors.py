"""Where steps run: in this process, each in a process of its own, or on a dask cluster.

All are ``concurrent.futures.Executor``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from atso_monai.engine.cluster import Source
from atso_monai.engine.devices import Lender, joined, wanted
from atso_monai.engine.processes import FreshProcesses

EXECUTORS = ("local", "inline", "dask")


class InlineExecutor(Executor):
    """Runs each call at once, in the calling process: for debugging and for tests.

    Calls are made with one more argument, ``device``: the first of ``devices``, or as many as an order among the
    arguments has ranks, separated by commas.
    """

    def __init__(self, devices: Sequence[str] = ()) -> None:
        self._devices = tuple(devices)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now; its exception, if any, is kept in the future."""
        future: Future[Any] = Future()
        try:
            device = joined(self._devices[: wanted(args)])
            future.set_result(fn(*args, device=device, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalExecutor(Executor):
    """Runs each call in a fresh process, forked from a server that has torch and MONAI imported already.

    Calls are made with one more argument, ``device``: one of ``devices``, lent to one call at a time, or as many as an
    order among the arguments has ranks, separated by commas; None leaves the choice to the bundle.

    Args:
        workers: number of processes at a time.
        devices: e.g. ``["cuda:0", "cuda:1"]``; with devices, at most as many calls run at a time as there are devices.
    """

    def __init__(self, workers: int, devices: Sequence[str] = ()) -> None:
        count = min(workers, len(devices)) if devices else workers
        self._devices, self._lender = tuple(devices), Lender()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="atso-worker")
        self._processes = FreshProcesses()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call; ``fn``, its arguments and its result must pickle."""
        return self._pool.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop; with ``cancel_futures`` running processes are asked to end, and ended when they take too long."""
        try:
            if cancel_futures:
                self._processes.stop(wait)
        finally:  # also after a second Ctrl-C
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._lender.lend(self._devices, wanted(args)) as device:
            return self._processes.call(fn, args, {**kwargs, "device": device})


def start_executor(
    name: str,
    workers: int,
    devices: Sequence[str],
    cluster: Source = None,
    folder: Path | None = None,
    ranks: int = 1,
) -> Executor:
    """The executor of a name in ``EXECUTORS``; ``cluster``, the run's ``folder`` and ``ranks`` are for ``dask``."""
    if name == "inline":
        return InlineExecutor(devices)
    if name == "dask":
        from atso_monai.engine.dask_executor import DaskExecutor

        return DaskExecutor(cluster, workers, devices, folder or Path.cwd(), ranks)
    return LocalExecutor(workers, devices)
