"""The executor on a cluster of two worker processes on this machine, and on schedulers that are not ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("distributed")
from distributed import LocalCluster

from atso_monai.engine.dask_executor import DaskExecutor
from atso_monai.engine.dask_worker import Site, require_fit
from atso_monai.engine.processes import WorkerError
from atso_monai.errors import AtsoError, ClusterError, ClusterLostError, ConfigError

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def jobs() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        import executor_jobs  # type: ignore[import-not-found]

        yield executor_jobs


@pytest.fixture(scope="module")
def two(jobs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskExecutor]:
    with DaskExecutor(None, 2, (), tmp_path_factory.mktemp("run")) as executor:
        yield executor


@pytest.fixture
def scheduler() -> Iterator[LocalCluster]:
    """A cluster that somebody else started; its one worker lives in this process."""
    with LocalCluster(
        processes=False, n_workers=1, threads_per_worker=3, dashboard_address=":0", protocol="tcp", silence_logs=50,
        resources={"GPU": 2},
    ) as cluster:  # fmt: skip
        yield cluster


def test_each_call_runs_in_a_fresh_process(two: DaskExecutor, jobs: ModuleType) -> None:
    results = [f.result() for f in [two.submit(jobs.modules) for _ in range(3)]]
    assert len({r["pid"] for r in results}) == 3
    assert all(r["main"] is None for r in results)
    value = {"a": [1, "ä#%$"]}
    assert two.submit(jobs.echo, value).result()[:2] == (value, None)
    assert "with 2 workers now" in two.notice


@pytest.mark.parametrize(
    ("job", "argument", "message"),
    [
        ("fail", "value", "ValueError: 7 is odd"),
        ("fail", "wrapped", "g0.pt does not fit"),
        ("die", "SIGKILL", r"ended by SIGKILL \(often: the machine ran out of memory; use fewer workers\)"),
    ],
)
def test_a_failure_is_told(two: DaskExecutor, jobs: ModuleType, job: str, argument: str, message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        two.submit(getattr(jobs, job), argument).result()


def test_two_calls_run_side_by_side(two: DaskExecutor, jobs: ModuleType) -> None:
    (_, a0, a1), (_, b0, b1) = [f.result() for f in [two.submit(jobs.occupy, 1.0) for _ in range(2)]]
    assert max(a0, b0) < min(a1, b1)


@pytest.mark.parametrize("how", ["its worker", "itself"])
def test_a_lost_call_is_made_again(two: DaskExecutor, jobs: ModuleType, tmp_path: Path, how: str) -> None:
    """Once its worker is killed, once a batch system asks its process to end; each time it goes on after that."""
    others = two.submit(jobs.echo, 1)
    assert two.submit(jobs.lost_once, str(tmp_path / "went on"), how).result() == "went on"
    assert others.result()[0] == 1


def test_cancelling_ends_processes(scheduler: Any, jobs: ModuleType, tmp_path: Path) -> None:
    executor = DaskExecutor(scheduler.scheduler_address, 2, (), tmp_path)
    futures = [executor.submit(jobs.stay, str(tmp_path / name)) for name in "ab"]
    pids = [_pid(tmp_path / name) for name in "ab"]
    began = time.monotonic()
    executor.shutdown(wait=True, cancel_futures=True)
    assert time.monotonic() - began < 9
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert [(tmp_path / f"{name} asked").read_text() for name in "ab"] == ["1", "1"]  # a second time is obeyed at once
    assert not list(tmp_path.glob(".tmp-*"))
    for future in futures:
        with pytest.raises((WorkerError, CancelledError)):
            future.result(timeout=1)


def test_a_scheduler_that_goes_away(scheduler: Any, jobs: ModuleType, tmp_path: Path) -> None:
    with DaskExecutor(scheduler.scheduler_address, 2, (), tmp_path) as executor:
        future = executor.submit(jobs.stay, str(tmp_path / "a"))
        pid = _pid(tmp_path / "a")
        scheduler.close()
        with pytest.raises(ClusterLostError, match=r"Run the same command again") as caught:
            future.result(timeout=9)
        assert caught.value.exit_code == 75
        until = time.monotonic() + 9
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
        with pytest.raises(ClusterLostError):
            executor.submit(jobs.echo, 1).result(timeout=9)


def test_devices_of_a_worker_are_lent_to_one_call_at_a_time(scheduler: Any, jobs: ModuleType, tmp_path: Path) -> None:
    devices = ("cpu", "cpu:0")
    with DaskExecutor(scheduler.scheduler_address, 3, devices, tmp_path) as executor:
        spans = [f.result() for f in [executor.submit(jobs.occupy, 0.2) for _ in range(4)]]
    assert {device for device, _, _ in spans} == set(devices)
    for name in devices:
        (_, ended), (began, _) = sorted((began, ended) for device, began, ended in spans if device == name)
        assert ended <= began


def _pid(file: Path) -> int:
    until = time.monotonic() + 20
    while not (file.is_file() and file.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    return int(file.read_text())


# --- refused before work


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("atso_monai.engine.cluster.PATIENCE", 0.3)
    for address in ("tcp://127.0.0.1:9", "carrier-pigeon://coop"):
        with pytest.raises(ClusterError, match=f"No dask scheduler answers at {address}"):
            DaskExecutor(address, 1, (), tmp_path)
    assert not list(tmp_path.iterdir())


def test_workers_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    from atso_monai.engine.worker import versions

    site = Site(tmp_path / "token", (), versions())
    require_fit(site)
    with pytest.raises(ClusterError, match="does not see the run folder"):
        require_fit(replace(site, token=tmp_path / "none"))
    with pytest.raises(ClusterError, match="Install the same versions"):
        require_fit(replace(site, versions={"torch": "0.1"}))
    with pytest.raises(ConfigError, match=r"'cuda:99' is not on this machine"):
        require_fit(replace(site, devices=("cuda:99",)))


def test_a_daemonic_worker_is_refused(tmp_path: Path, jobs: ModuleType) -> None:
    import dask

    with dask.config.set({"distributed.worker.daemon": True}):
        cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with cluster, pytest.raises(ClusterError, match="DASK_DISTRIBUTED__WORKER__DAEMON=False"):
        DaskExecutor(cluster.scheduler_address, 1, (), tmp_path)


def test_devices_need_a_resource(tmp_path: Path) -> None:
    with (
        LocalCluster(processes=False, n_workers=1, dashboard_address=":0", protocol="tcp") as cluster,
        pytest.raises(ClusterError, match="--resources GPU=1"),
    ):
        DaskExecutor(cluster.scheduler_address, 1, ("cpu",), tmp_path)
    assert issubclass(ClusterError, AtsoError)
