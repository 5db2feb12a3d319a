"""The same run wherever its steps run, however its predictions are cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from atso_monai.engine import Engine, Run
from atso_monai.errors import ClusterError, ConfigError

pytestmark = pytest.mark.slow

Hashes = Callable[[Path], dict[str, dict[str, str]]]
Make = Callable[..., Engine]


def test_two_dask_workers_leave_the_same_artefacts_as_none(
    make_engine: Make, finished: Run, hashes: Hashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("atso_monai.engine.shards.CASES", 2)
    run = make_engine(tmp_path / "Läuf #2 50% $x", executor="dask", workers=2).run()
    assert hashes(run.run_dir) == hashes(finished.run_dir)
    assert run.rows == finished.rows
    assert not list(run.run_dir.rglob("shards"))
    assert not list(run.run_dir.glob(".tmp-*"))


def test_a_cluster_that_is_none_is_told_before_work(
    make_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("atso_monai.engine.cluster.PATIENCE", 0.3)
    with pytest.raises(ClusterError, match="No dask scheduler answers at tcp://127"):
        make_engine(tmp_path / "run", executor="dask", cluster="tcp://127.0.0.1:9").run()
    with pytest.raises(ConfigError, match=r"address of a scheduler .* Received: 'slurm\.yaml'"):
        make_engine(tmp_path / "run", executor="dask", cluster="slurm.yaml").check()
    assert not list(tmp_path.iterdir())
