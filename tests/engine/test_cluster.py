from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine.cluster import described, require_cluster, start_cluster
from atso_monai.errors import ClusterError, ConfigError

CLUSTERS = Path(__file__).parents[2] / "docs" / "clusters"


def test_dask_is_imported_only_when_asked_for() -> None:
    code = "import sys, atso_monai.engine; assert not {'dask', 'distributed'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'atso_monai\[dask\]'"):
        require_cluster(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("queue: gpu\n", "it has no _target_"),
        ("_target_: dask_jobqueue.NoCluster\n", "describes no cluster"),
        ("- 1\n", "describes no cluster"),
        ("_target_: [\n", "describes no cluster"),
    ],
)
def test_a_file_that_describes_no_cluster(tmp_path: Path, text: str, message: str) -> None:
    pytest.importorskip("distributed")
    file = tmp_path / "own #1.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        require_cluster(file)
    with pytest.raises(ConfigError, match=r"tcp://host:8786.* Received: 'localhost:8786'"):
        require_cluster("localhost:8786")


def test_no_scheduler_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("atso_monai.engine.cluster.PATIENCE", 0.2)
    with pytest.raises(ClusterError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        require_cluster("tcp://127.0.0.1:9")


def test_a_described_cluster_is_started_with_workers(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    file = tmp_path / "here.yaml"
    file.write_text(
        "_target_: distributed.LocalCluster\nprocesses: false\nn_workers: 0\nthreads_per_worker: 1\n"
        "dashboard_address: :0\n"
    )
    for source in (str(file), described(file)):
        require_cluster(source)
        with start_cluster(source, 2, 0) as cluster, distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=10)


@pytest.mark.parametrize(
    ("name", "gpu", "cores"),
    [
        ("slurm", "#SBATCH --gpus=1", "#SBATCH --cpus-per-task=8"),
        ("pbs", "ngpus=1", "#PBS -l select=1:ncpus=8"),
        ("lsf", "#BSUB -gpu num=1", "#BSUB -n 8"),
    ],
)
def test_the_described_batch_jobs(name: str, gpu: str, cores: str) -> None:
    """As the documentation has them: one step at a time, a GPU to lend, and a worker that may start processes."""
    pytest.importorskip("dask_jobqueue")
    source: Any = CLUSTERS / f"{name}.yaml"
    require_cluster(source)
    with described(source)() as cluster:
        script = cluster.job_script()
    for part in (gpu, cores, "export DASK_DISTRIBUTED__WORKER__DAEMON=False", "--nthreads 1 ", "--resources GPU=1"):
        assert part in script
