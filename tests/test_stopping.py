from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from atso_monai import stopping
from atso_monai.stopping import StopSignal, asked_to_stop, obey, postponed, stop_signals


@pytest.fixture(autouse=True)
def _foreground() -> Iterator[None]:
    """A process that was started in the background ignores Ctrl-C from its start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_is_raised_and_told_by_its_exit_code(signum: signal.Signals, code: int) -> None:
    with pytest.raises(StopSignal, match=f"stopped by {signum.name}") as caught, stop_signals():
        signal.raise_signal(signum)
    assert caught.value.exit_code == code
    assert isinstance(caught.value, KeyboardInterrupt)


def test_the_handlers_of_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {s: signal.getsignal(s) for s in stopping.SIGNALS}
    heard = []
    signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    try:
        with stop_signals():
            signal.raise_signal(signal.SIGUSR1)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGUSR1, before[signal.SIGUSR1])
    assert {s: signal.getsignal(s) for s in stopping.SIGNALS} == before


def test_a_request_waits_and_is_obeyed_where_it_suits() -> None:
    with stop_signals():
        with postponed():
            signal.raise_signal(signal.SIGTERM)
            assert asked_to_stop() is not None
        with pytest.raises(StopSignal, match="SIGTERM"):
            obey()
    obey()  # the request went with its block


def test_a_second_request_does_not_wait() -> None:
    with stop_signals(), pytest.raises(StopSignal), postponed():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")


def test_nor_does_one_that_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE", 0.05)
    with stop_signals(), pytest.raises(StopSignal, match="SIGTERM"), postponed():
        signal.raise_signal(signal.SIGTERM)
        time.sleep(5)
        pytest.fail("went on")


def test_forked_processes_leave_the_decision_to_their_parent() -> None:
    with stop_signals():
        if (pid := os.fork()) == 0:
            try:
                signal.raise_signal(signal.SIGUSR1)
            except StopSignal:
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_threads_change_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with stop_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    found: list[object] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_request_that_was_obeyed_does_not_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE", 0.05)
    heard = []
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with stop_signals(), postponed():
            signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
        time.sleep(0.2)
        assert heard == []
    finally:
        signal.signal(signal.SIGTERM, before)
