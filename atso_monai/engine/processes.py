"""Calls in fresh processes, forked from a server that has torch and MONAI imported already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from atso_monai.errors import AtsoError
from atso_monai.stopping import GRACE, StopSignal, stop_signals

PRELOAD = [
    "torch", "monai.bundle", "monai.engines", "monai.handlers", "monai.networks.nets", "atso_monai.engine.worker",
    "torch._dynamo",  # the first optimizer of a process imports it: more than a second
]  # fmt: skip
LEAVE = GRACE + 1.5
"""Seconds after which a process that was asked to end is ended."""


class WorkerError(AtsoError):
    """A worker process ended without a result, or the work in it raised; the message says which."""


class ProcessEndedError(WorkerError):
    """A worker process ended without a result.

    Attributes:
        exit_status: as ``multiprocessing`` has it: negative for a signal.
    """

    def __init__(self, exit_status: int | None) -> None:
        self.exit_status = exit_status
        super().__init__(f"its process {death(exit_status)}")


def start_method() -> str:
    """How processes start: forked from a server where that exists, which Windows lacks."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def start_server() -> None:
    """Start the server that processes are forked from, where there is one.

    With Ctrl-C ignored: a terminal sends it to all processes, and this one would tell of it while it imports.
    """
    if start_method() != "forkserver":
        return
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(PRELOAD)
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with without_main(), contextlib.suppress(ChildProcessError):  # a forked process has its parent's server
            forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        signal.signal(signal.SIGINT, before)


class FreshProcesses:
    """Runs each call in a process of its own, which ends with this one; threads may call at the same time.

    A fresh process per call isolates what bundle runs leave behind (log handlers, ``sys.path``, determinism switches);
    the fork server makes it cost a fraction of a second.
    """

    def __init__(self) -> None:
        self.running: set[Any] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._context = multiprocessing.get_context(start_method())
        start_server()

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call and wait; ``fn``, its arguments and its result must pickle.

        Raises:
            ProcessEndedError: when the process ended without a result.
            WorkerError: when the call raised; with its words.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_child, args=(sender, fn, args, kwargs))  # type: ignore[attr-defined]
        with self._lock, without_main():
            if self._closing:
                raise WorkerError("the run is stopping")
            process.start()
            self.running.add(process)
        sender.close()
        try:
            ok, value = receiver.recv()
        except EOFError:
            process.join()
            raise ProcessEndedError(process.exitcode) from None
        finally:
            receiver.close()
            process.join()
            with self._lock:
                self.running.discard(process)
        if not ok:
            raise WorkerError(value)
        return value

    def stop(self, wait: bool = True) -> None:
        """Start no more processes, ask those that run to end, and end those that take longer than ``LEAVE``.

        They are asked once, however often this is called: a second request would be obeyed without a checkpoint.
        """
        with self._lock:
            first, self._closing = not self._closing, True
        try:
            if first:
                self._end(signal.SIGTERM)
            until = time.monotonic() + LEAVE
            while wait and self.running and time.monotonic() < until:
                time.sleep(0.05)
        finally:  # also after a second Ctrl-C
            if wait:
                self._end(signal.SIGKILL)

    def _end(self, signum: signal.Signals) -> None:
        with self._lock:
            for process in self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signum)


def _child(sender: Connection, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Body of a worker process: an interrupt is left to the parent, the result goes through the pipe.

    Asked to stop by another signal, it tidies up (see :mod:`atso_monai.stopping`) and ends by that signal.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_parent()
    try:
        with stop_signals():
            sender.send((True, fn(*args, **kwargs)))
    except StopSignal as stop:
        os.kill(os.getpid(), stop.signum)
    except BaseException as error:
        sender.send((False, describe(error)))
    sender.close()


def watch_parent() -> None:
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


def death(code: int | None) -> str:
    """How a process without a result ended, by its exit status, in words."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (often: the machine ran out of memory; use fewer workers)" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"ended without a result, exit code {code}"


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Hide ``__main__`` while a process starts: the work is importable, and a script without a main guard would run
    again in every child.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
