"""Asked to stop: a signal ends the work at once, or, inside a training, at the next point where nothing is lost.

SIGTERM and SIGUSR1 come from batch systems, SIGINT from a keyboard. A second one is always obeyed at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

CONTINUE_LATER = 75
"""Exit code after SIGTERM or SIGUSR1: EX_TEMPFAIL of sysexits.h, the same command again continues.

143 would be the choice of a shell, but that is what a process leaves which was killed before it could write anything.
"""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
GRACE = 6.0
"""Seconds that a training has for its checkpoint before it is left without one."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name))


STOPPED = "stopped by"
"""How the last line of a log begins where a step was asked to stop."""


class StopSignal(KeyboardInterrupt):
    """This process was asked to stop.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"{STOPPED} {signal.Signals(signum).name}")

    @property
    def exit_code(self) -> int:
        """What the whole command should leave with."""
        return INTERRUPTED if self.signum == signal.SIGINT else CONTINUE_LATER


class _Request:
    """What was asked of this process; one of it, since signals are of a process."""

    asked: int | None = None
    postponed = False
    patient = False
    owner = 0
    timer: threading.Timer | None = None


@contextlib.contextmanager
def stop_signals(patient: bool = False) -> Iterator[None]:
    """Turn signals that nobody else handles into :class:`StopSignal`, raised in the main thread.

    Outside of the main thread, where Python cannot do that, nothing is changed.

    Args:
        patient: obey the first signal only, and however long that takes: for processes that others watch over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    free = [s for s in SIGNALS if signal.getsignal(s) in (signal.SIG_DFL, signal.default_int_handler)]
    before = {signum: signal.signal(signum, _on_signal) for signum in free}
    _Request.asked, _Request.postponed, _Request.owner = None, False, os.getpid()
    _Request.patient = patient
    try:
        yield
    finally:
        if _Request.timer is not None:
            _Request.timer.cancel()
            _Request.timer.join()  # it may be at work
        for signum, handler in before.items():
            signal.signal(signum, handler)
        _Request.asked = _Request.timer = None


def _on_signal(signum: int, frame: object) -> None:
    if os.getpid() != _Request.owner:  # a forked loader worker: its training decides
        return
    first = _Request.asked is None
    _Request.asked = _Request.asked or signum
    if _Request.patient and not first:
        return
    if not (first and _Request.postponed):
        raise StopSignal(_Request.asked)
    if _Request.patient:
        return
    _Request.timer = threading.Timer(GRACE, os.kill, [_Request.owner, signum])
    _Request.timer.daemon = True
    _Request.timer.start()


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Inside the block, a first request to stop only shows in :func:`asked_to_stop`; after ``GRACE`` it is raised."""
    before, _Request.postponed = _Request.postponed, True
    try:
        yield
    finally:
        _Request.postponed = before


def asked_to_stop() -> StopSignal | None:
    """The request that waits to be obeyed, if there is one."""
    return None if _Request.asked is None else StopSignal(_Request.asked)


def obey() -> None:
    """Stop here, if asked to."""
    if (request := asked_to_stop()) is not None:
        raise request
