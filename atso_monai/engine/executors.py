"""Where steps run: in this process, or each in a process of its own. Both are ``concurrent.futures.Executor``."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from atso_monai.errors import AtsoError
from atso_monai.stopping import GRACE, StopSignal, stop_signals

PRELOAD = [
    "torch", "monai.bundle", "monai.engines", "monai.handlers", "monai.networks.nets", "atso_monai.engine.worker",
    "torch._dynamo",  # the first optimizer of a process imports it: more than a second
]  # fmt: skip


EXECUTORS = ("local", "inline")
LEAVE = GRACE + 1.5
"""Seconds after which a worker that was asked to end is ended."""


class WorkerError(AtsoError):
    """A worker process ended without a result, or the work in it raised; the message says which."""


class InlineExecutor(Executor):
    """Runs each call at once, in the calling process: for debugging and for tests.

    Calls are made with one more argument, ``device``.
    """

    def __init__(self, device: str | None = None) -> None:
        self._device = device

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now; its exception, if any, is kept in the future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, device=self._device, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalExecutor(Executor):
    """Runs each call in a fresh process, forked from a server that has torch and MONAI imported already.

    A fresh process per call isolates what bundle runs leave behind (log handlers, ``sys.path``, determinism switches);
    the fork server makes it cost a fraction of a second. Calls are made with one more argument, ``device``: one of
    ``devices``, lent to one call at a time; None leaves the choice to the bundle.

    Args:
        workers: number of processes at a time.
        devices: e.g. ``["cuda:0", "cuda:1"]``; with devices, at most as many calls run at a time as there are devices.
    """

    def __init__(self, workers: int, devices: Sequence[str] = ()) -> None:
        count = min(workers, len(devices)) if devices else workers
        self._devices: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for index in range(count):
            self._devices.put(devices[index] if devices else None)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="atso-worker")
        self._running: set[Any] = set()
        self._lock = threading.Lock()
        self._closing = False
        methods = multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            self._context.set_forkserver_preload(PRELOAD)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call; ``fn``, its arguments and its result must pickle."""
        return self._pool.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop; with ``cancel_futures`` running processes are asked to end, and ended when they take too long."""
        self._closing = cancel_futures
        try:
            if cancel_futures:
                self._end(signal.SIGTERM)
                until = time.monotonic() + LEAVE
                while wait and self._running and time.monotonic() < until:
                    time.sleep(0.05)
        finally:  # also after a second Ctrl-C
            if cancel_futures and wait:
                self._end(signal.SIGKILL)
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _end(self, signum: signal.Signals) -> None:
        with self._lock:
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signum)

    def _call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        device = self._devices.get()
        try:
            return self._in_process(fn, args, {**kwargs, "device": device})
        finally:
            self._devices.put(device)

    def _in_process(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_child, args=(sender, fn, args, kwargs))  # type: ignore[attr-defined]
        with self._lock, _without_main():
            if self._closing:
                raise WorkerError("the run is stopping")
            process.start()
            self._running.add(process)
        sender.close()
        try:
            ok, value = receiver.recv()
        except EOFError:
            process.join()
            raise WorkerError(_death(process.exitcode)) from None
        finally:
            receiver.close()
            process.join()
            with self._lock:
                self._running.discard(process)
        if not ok:
            raise WorkerError(value)
        return value


def start_executor(name: str, workers: int, devices: Sequence[str]) -> Executor:
    """The executor of a name in ``EXECUTORS``."""
    if name == "inline":
        return InlineExecutor(devices[0] if devices else None)
    return LocalExecutor(workers, devices)


def _child(sender: Connection, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Body of a worker process: an interrupt is left to the parent, the result goes through the pipe.

    Asked to stop by another signal, it tidies up (see :mod:`atso_monai.stopping`) and ends by that signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch_parent()
    try:
        with stop_signals():
            sender.send((True, fn(*args, **kwargs)))
    except StopSignal as stop:
        os.kill(os.getpid(), stop.signum)
    except BaseException as error:
        sender.send((False, describe(error)))
    sender.close()


def _watch_parent() -> None:
    """End this process when the engine is gone, so that a killed run leaves no trainings behind."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def describe(error: BaseException) -> str:
    """An exception in the words that a person should see.

    MONAI wraps what happens while a configuration is resolved; so the cause at the bottom is told, ours as it is and
    others with their type.
    """
    while not isinstance(error, AtsoError) and error.__cause__ is not None:
        error = error.__cause__
    return str(error) if isinstance(error, AtsoError) else "".join(traceback.format_exception_only(error)).strip()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often: the machine ran out of memory; use fewer workers)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended without a result, exit code {code}"


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide ``__main__`` while a process starts: the work is importable, and a script without a main guard would run
    again in every child.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
