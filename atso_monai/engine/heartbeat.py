"""A sign of life in a run folder, for engines on other machines: file locks do not reach across every file system."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    ended, since = threading.Event(), time.time()
    thread = threading.Thread(target=_beat, args=(run_dir, ended, since), daemon=True)
    _write(run_dir, 0, since)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        (run_dir / FILE).unlink(missing_ok=True)


def _beat(run_dir: Path, ended: threading.Event, since: float) -> None:
    number = 0
    while not ended.wait(BEAT):
        number += 1
        with contextlib.suppress(OSError):  # a full disk is told by those who have something to write
            _write(run_dir, number, since)


def _write(run_dir: Path, number: int, since: float) -> None:
    sign = {"host": platform.node(), "pid": os.getpid(), "beat": number, "since": since, "at": time.time()}
    write_json(run_dir / FILE, sign)


@dataclass(frozen=True)
class Life:
    """An engine that works in a run folder.

    Attributes:
        host: its machine.
        pid: its process there.
        since: when it started, in seconds since 1970 by its own clock.
        at: its last sign, by the same clock.
        age: seconds since its last sign.
    """

    host: str
    pid: int
    since: float
    at: float
    age: float


def living(run_dir: Path) -> Life | None:
    """The engine that works in a run folder, or None; nothing is written or locked.

    Takes up to ``2 * BEAT`` seconds where an engine on another machine left an old sign, or the clocks differ: then
    only a sign that changes counts.
    """
    sign = _dated(run_dir)
    if sign is None or (sign["host"] == platform.node() and not _runs(sign["pid"])):
        return None
    age = time.time() - sign["at"]
    if -1 <= age < 3 * BEAT:
        return _life(sign, max(age, 0.0))
    until = time.monotonic() + 2 * BEAT
    while time.monotonic() < until:
        time.sleep(min(1.0, BEAT / 4))
        if (now := _dated(run_dir)) != sign:
            return None if now is None else _life(now, 0.0)
    return None


def _life(sign: dict[str, Any], age: float) -> Life:
    return Life(sign["host"], sign["pid"], sign["since"], sign["at"], age)


def _dated(run_dir: Path) -> dict[str, Any] | None:
    sign = _sign(run_dir)
    return sign if sign and all(isinstance(sign.get(name), float) for name in ("since", "at")) else None


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
