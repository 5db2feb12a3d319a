"""Steps on a dask cluster: many machines behind one scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import distributed
from distributed.client import FutureCancelledError

from atso_monai.engine.cluster import Source, connect, start_cluster
from atso_monai.engine.dask_worker import Site, Steps, call_on_worker, end_processes, require_fit
from atso_monai.engine.devices import wanted
from atso_monai.engine.processes import LEAVE, WorkerError, describe
from atso_monai.engine.worker import versions
from atso_monai.errors import AtsoError, ClusterError, ClusterLostError


class DaskExecutor(Executor):
    """Runs each call in a fresh process on some worker of a dask cluster.

    Calls are made with one more argument, ``device``, as by :class:`~atso_monai.engine.executors.LocalExecutor`. A call
    whose worker is lost is made again on another one, so it must be able to go on from what it left in its folder.

    Args:
        cluster: see :data:`~atso_monai.engine.cluster.Source`; a cluster that is started here ends with the executor.
        workers: workers to start.
        devices: devices of each worker, lent to one call at a time; with them, calls go to workers that offer the
            resource ``GPU``, once for each device that a call takes.
        folder: an existing folder that all workers must see at the same path.
        ranks: devices that a call may take.

    Raises:
        ClusterError: when the scheduler cannot be reached, or a worker that is there cannot be used.
    """

    def __init__(self, cluster: Source, workers: int, devices: Sequence[str], folder: Path, ranks: int = 1) -> None:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it has to say is told in our words
        self._site = Site(folder.absolute() / f".tmp-cluster-{uuid.uuid4().hex}", tuple(devices), versions())
        self._remote: set[Any] = set()
        self._closing = False
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._site.token.touch()
            stack.callback(self._site.token.unlink, missing_ok=True)
            started = start_cluster(cluster, workers, len(devices))
            if not isinstance(started, str):
                stack.callback(_close, started)
            self._client = connect(started)
            stack.callback(_close, self._client)
            self._prepare(own=cluster is None, ranks=ranks)
            self._stack = stack.pop_all()

    def _prepare(self, own: bool, ranks: int) -> None:
        """Look at the workers that are there, and end what an engine that was killed left running in the folder."""
        try:
            self._client.run(require_fit, self._site)
            self._client.run(end_processes, self._site.run_dir)
            self._client.register_plugin(Steps(ignore_interrupts=own))
        except AtsoError:
            raise
        except Exception as error:
            raise ClusterError(f"A dask worker cannot be used: {describe(error)}") from error
        offers = [w["resources"].get("GPU", 0) for w in self._client.scheduler_info(n_workers=-1)["workers"].values()]
        if self._site.devices and offers and max(offers) < ranks:
            missing = "the resource GPU" if ranks == 1 else f"GPU={ranks}, which ranks: {ranks} takes"
            raise ClusterError(
                f"devices is given ({', '.join(self._site.devices)}), but no dask worker offers {missing}. "
                f"Start workers with --resources GPU={len(self._site.devices)}, or leave devices out."
            )

    @property
    def notice(self) -> str:
        """Where the work goes, in a line for people."""
        count = len(self._client.scheduler_info(n_workers=-1)["workers"])
        rest = "" if count else "; steps wait until one comes"
        return f"dask scheduler {self._client.scheduler.address} with {count} workers now{rest}"

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call; ``fn``, its arguments and its result must pickle."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        if self._client.status != "running":  # a call would wait for a scheduler that knows nothing of the others
            future.set_exception(self._lost())
            return future
        remote = self._client.submit(
            call_on_worker, self._site, fn, args, kwargs,
            key=f"{fn.__name__}-{uuid.uuid4().hex}", resources={"GPU": wanted(args)} if self._site.devices else None,
        )  # fmt: skip
        self._remote.add(remote)
        remote.add_done_callback(lambda done: self._take(done, future))
        return future

    def _take(self, remote: Any, future: Future[Any]) -> None:
        try:
            future.set_result(remote.result())
        except FutureCancelledError:
            future.set_exception(WorkerError("the run is stopping") if self._closing else self._lost())
        except distributed.KilledWorker:
            future.set_exception(
                WorkerError("each of the workers that took it was lost (often: the machine ran out of memory)")
            )
        except Exception as error:
            future.set_exception(error)
        self._remote.discard(remote)

    @staticmethod
    def _lost() -> ClusterLostError:
        return ClusterLostError(
            "The dask scheduler went away. What was finished is kept, and trainings "
            "that ran left checkpoints. Run the same command again to continue when a scheduler is there."
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop; with ``cancel_futures`` running processes are asked to end, and ended when they take too long."""
        self._closing = True
        with self._stack:
            if cancel_futures and self._client.status == "running":
                self._client.cancel(list(self._remote), force=True)
                if wait:
                    with contextlib.suppress(Exception):  # workers may leave at the same time
                        self._client.sync(self._end)

    async def _end(self) -> None:
        work = self._client.run(end_processes, self._site.run_dir)
        await asyncio.wait_for(work, LEAVE + 0.5)


def _close(one: Any) -> None:
    """Close a client or a cluster; what does not close in time ends with this process."""
    with contextlib.suppress(Exception):
        one.close(timeout=1)
