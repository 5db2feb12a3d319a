"""``atso run`` in a process forked from this one, where torch and MONAI are imported already. Linux only."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from atso_monai.cli.main import main as atso
from atso_monai.engine import AtsoWorkflow  # noqa: F401 - imported before processes are forked
from atso_monai.engine.processes import PRELOAD


class Started:
    """A call of ``atso run`` in a process of its own, whose workers come from the fork server of this one.

    Args:
        words: the command line.
        log: file for all that it says.
    """

    def __init__(self, words: list[str], log: Path) -> None:
        self._server = fork_server()
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_carry_out(words, log))

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def workers(self) -> list[int]:
        """Its worker processes, also when it has ended and they have not yet."""
        return [pid for pid, parent in processes() if parent == self._server]


def fork_server() -> int:
    """Process number of a fork server that has everything imported."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    server = multiprocessing.forkserver._forkserver
    server.ensure_running()
    return server._forkserver_pid


def _carry_out(words: list[str], log: Path) -> int:
    os.setsid()
    # the server is a child of the process that was forked here, so nobody else can ask whether it is alive
    multiprocessing.forkserver._forkserver.ensure_running = lambda: None
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = file, file
        try:
            return atso(words)
        except SystemExit as leave:
            return int(leave.code or 0)


def processes() -> Iterator[tuple[int, int]]:
    """Process and parent of all processes that have not ended."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            yield int(stat.parent.name), int(parent)


def until_alone(process: Started) -> None:
    """Wait until no worker is left: they end by themselves when their engine is gone."""
    until = time.monotonic() + 20
    while process.workers() and time.monotonic() < until:
        time.sleep(0.02)
    if left := process.workers():
        raise SystemExit(f"processes {left} outlived their engine")
