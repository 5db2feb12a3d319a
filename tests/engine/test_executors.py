from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType

import pytest

from atso_monai.engine.executors import InlineExecutor, LocalExecutor
from atso_monai.engine.processes import WorkerError, describe
from atso_monai.engine.worker import Order
from atso_monai.errors import AtsoError, CheckpointError

HERE = Path(__file__).parent


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    import executor_jobs  # type: ignore[import-not-found]

    return executor_jobs  # type: ignore[no-any-return]


@pytest.fixture
def local(jobs: ModuleType) -> Iterator[LocalExecutor]:
    with LocalExecutor(2) as executor:
        yield executor


# --- inline


def test_inline_runs_at_once_in_this_process(jobs: ModuleType) -> None:
    future = InlineExecutor(["cuda:1", "cuda:2"]).submit(jobs.echo, 7)
    assert future.done()
    assert future.result() == (7, "cuda:1", os.getpid())


def test_inline_keeps_the_exception(jobs: ModuleType) -> None:
    error = InlineExecutor().submit(jobs.fail, "value").exception()
    assert isinstance(error, ValueError)
    with pytest.raises(SystemExit):  # not ours to swallow
        InlineExecutor().submit(jobs.fail, "exit")


# --- local


def test_local_runs_in_fresh_processes_with_monai_at_hand(local: LocalExecutor, jobs: ModuleType) -> None:
    results = [f.result() for f in [local.submit(jobs.modules) for _ in range(3)]]
    assert len({r["pid"] for r in results} | {os.getpid()}) == 4
    for result in results:
        assert result["monai"]
        assert result["main"] is None  # this script is not run again
    value = {"a": [1, "ä#%$"]}
    assert local.submit(jobs.echo, value).result()[:2] == (value, None)


@pytest.mark.parametrize(
    ("job", "argument", "message"),
    [
        ("fail", "value", "ValueError: 7 is odd"),
        ("fail", "wrapped", "g0.pt does not fit"),
        ("fail", "exit", "SystemExit: 3"),
        ("die", "SIGKILL", r"ended by SIGKILL \(often: the machine ran out of memory; use fewer workers\)"),
        ("die", "SIGTERM", "ended by SIGTERM$"),
        ("die", "SIGSEGV", "ended by SIGSEGV"),
        ("die", "exit", "without a result, exit code 5"),
    ],
)
def test_a_failure_is_told(local: LocalExecutor, jobs: ModuleType, job: str, argument: str, message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        local.submit(getattr(jobs, job), argument).result()
    assert local.submit(jobs.echo, 1).result()[0] == 1  # the executor goes on


def test_a_result_that_cannot_be_sent_is_a_failure_of_the_worker(local: LocalExecutor, jobs: ModuleType) -> None:
    with pytest.raises(WorkerError, match="cannot pickle"):
        local.submit(jobs.unpicklable).result()


def test_an_interrupt_is_left_to_the_parent(local: LocalExecutor, jobs: ModuleType) -> None:
    assert local.submit(jobs.interrupted).result() == "still here"


def test_a_device_is_lent_to_one_call_at_a_time(jobs: ModuleType) -> None:
    with LocalExecutor(4, ["cuda:0", "cuda:1"]) as executor:
        spans = [f.result() for f in [executor.submit(jobs.occupy, 0.15) for _ in range(6)]]
    assert {device for device, _, _ in spans} == {"cuda:0", "cuda:1"}
    for name in ("cuda:0", "cuda:1"):
        mine = sorted((began, ended) for device, began, ended in spans if device == name)
        assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(mine))


def test_a_training_of_several_ranks_gets_several_devices(jobs: ModuleType) -> None:
    order = Order("model/g0/axial", "train", "folder", "key", (), 1, ranks=2)
    with LocalExecutor(2, ["cuda:0", "cuda:1", "cuda:2"]) as executor:
        assert executor.submit(jobs.echo, order).result()[1] == "cuda:0,cuda:1"
    assert InlineExecutor(["cpu", "cpu", "cpu"]).submit(jobs.echo, order).result()[1] == "cpu,cpu"


def test_a_device_comes_back_after_a_failure(jobs: ModuleType) -> None:
    with LocalExecutor(1, ["cuda:0"]) as executor:
        assert isinstance(executor.submit(jobs.die, "SIGKILL").exception(), WorkerError)
        assert executor.submit(jobs.echo, 1).result()[1] == "cuda:0"


def test_workers_bound_what_runs_at_a_time(local: LocalExecutor, jobs: ModuleType) -> None:
    spans = [f.result()[1:] for f in [local.submit(jobs.occupy, 0.15) for _ in range(5)]]
    for began, _ in spans:
        assert sum(a <= began < b for a, b in spans) <= 2


def test_cancelling_ends_what_runs(jobs: ModuleType) -> None:
    executor = LocalExecutor(2)
    futures = [executor.submit(jobs.occupy, 60) for _ in range(4)]
    time.sleep(0.5)
    began = time.monotonic()
    executor.shutdown(wait=True, cancel_futures=True)
    assert time.monotonic() - began < 30  # left alone, the job would take minutes
    for future in futures:
        with pytest.raises((WorkerError, CancelledError)):
            future.result(timeout=0)


def test_who_does_not_end_when_asked_to_is_ended(jobs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atso_monai.engine.processes.LEAVE", 0.3)
    executor = LocalExecutor(1)
    future = executor.submit(jobs.stubborn)
    time.sleep(1)
    began = time.monotonic()
    executor.shutdown(wait=True, cancel_futures=True)
    assert time.monotonic() - began < 5
    with pytest.raises((WorkerError, CancelledError)):
        future.result(timeout=0)


SCRIPT = """
import os, sys, time
from concurrent.futures import wait
sys.path.insert(0, sys.argv[1])
import executor_jobs
from atso_monai.engine.executors import LocalExecutor
executor = LocalExecutor(2)
children = [executor.submit(executor_jobs.modules).result()["main"] for _ in range(2)]
print("mains", children, flush=True)
futures = [executor.submit(executor_jobs.occupy, 120) for _ in range(2)]
while len(executor._processes.running) < 2 or any(p.pid is None for p in executor._processes.running):
    time.sleep(0.05)
print("pids", *[p.pid for p in executor._processes.running], flush=True)
wait(futures)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_script_without_main_guard_and_children_that_end_with_it(tmp_path: Path) -> None:
    script = tmp_path / "run me.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script), str(HERE)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mains [None, None]\n"
        pids = [int(word) for word in process.stdout.readline().split()[1:]]
        assert len(pids) == 2
        assert all(map(alive, pids))
        process.send_signal(signal.SIGKILL)
        until = time.monotonic() + 10
        while any(map(alive, pids)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(alive, pids))


# --- words


def test_the_cause_at_the_bottom_is_described() -> None:
    ours = CheckpointError("does not fit")
    outer = RuntimeError("outer")
    outer.__cause__ = ours
    assert describe(outer) == "does not fit"
    ours.__cause__ = KeyError("never shown")
    assert describe(ours) == "does not fit"
    foreign = RuntimeError("outer")
    foreign.__cause__ = KeyError("x")
    assert describe(foreign) == "KeyError: 'x'"
    assert issubclass(WorkerError, AtsoError)
