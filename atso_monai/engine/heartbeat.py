"""A sign of life in a run folder, for engines on other machines: file locks do not reach across every file system."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atso_monai.errors import RunFolderError
from atso_monai.files import read_json, write_json

FILE = ".engine.json"
BEAT = 8.0
"""Seconds between two signs of life."""


@contextlib.contextmanager
def beating(run_dir: Path, locked: bool) -> Iterator[None]:
    """Show in a run folder that an engine works in it, after making sure that no other one does.

    An engine that was killed leaves its sign behind. On the same machine the lock tells; for another one this waits to
    see whether the sign changes, which does not depend on any clock.

    Args:
        run_dir: the run folder.
        locked: whether a file lock is held besides, which rules out other engines on this machine.

    Raises:
        RunFolderError: when an engine works in the folder on another machine.
    """
    _refuse_living(run_dir, locked)
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(run_dir, ended), daemon=True)
    _write(run_dir, 0)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        (run_dir / FILE).unlink(missing_ok=True)


def _beat(run_dir: Path, ended: threading.Event) -> None:
    number = 0
    while not ended.wait(BEAT):
        number += 1
        with contextlib.suppress(OSError):  # a full disk is told by those who have something to write
            _write(run_dir, number)


def _write(run_dir: Path, number: int) -> None:
    write_json(run_dir / FILE, {"host": platform.node(), "pid": os.getpid(), "beat": number})


def _refuse_living(run_dir: Path, locked: bool) -> None:
    sign = _sign(run_dir)
    if sign is None or (sign["host"] == platform.node() and (locked or not _runs(sign["pid"]))):
        return
    until = time.monotonic() + 3 * BEAT
    while time.monotonic() < until:
        time.sleep(min(1.0, BEAT))
        if (now := _sign(run_dir)) is None:
            return
        if now != sign:
            raise RunFolderError(
                f"Another engine works in {run_dir} at this moment: process {sign['pid']} on {sign['host']}. "
                "Wait for it, or choose another output folder."
            )


def _sign(run_dir: Path) -> dict[str, Any] | None:
    try:
        sign = read_json(run_dir / FILE)
    except (OSError, ValueError):
        return None
    return sign if isinstance(sign, dict) and {"host", "pid", "beat"} <= sign.keys() else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
