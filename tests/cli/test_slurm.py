from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atso_monai.cli.main import main


@pytest.fixture
def words(dataset_dir: Path) -> list[str]:
    """Arguments of a run whose folder is given as seen from the current one."""
    own = ["--bundle", "msd_hippocampus", "--dataset_dir", str(dataset_dir), "--output_dir", "r #1 $x ä"]
    return [*own, "--reference", "4", "--test", "2"]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_script(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["slurm", "--time", "2-00", "--partition", "gpu", "--", *words]) == 0
    assert capsys.readouterr().out == "submit with   sbatch atso-r-1-x.sh\n"
    script = (tmp_path / "atso-r-1-x.sh").read_text(encoding="utf-8")
    assert "#SBATCH --time=2-00\n" in script
    assert "#SBATCH --partition=gpu\n" in script
    assert [file.name for file in tmp_path.iterdir()] == ["atso-r-1-x.sh"]
    shown = subprocess.run(
        ["bash", "-c", script[: script.index("# Before")] + 'printf "%s\\0" "$work_dir" "$run_dir" "${run[@]}"'],
        capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    command = [sys.executable, "-m", "atso_monai.cli.main", "run", *words]
    assert shown.split("\0")[:-1] == [str(tmp_path), str(tmp_path / "r #1 $x ä"), *command]


def test_a_job_asks_for_a_gpu_for_each_rank(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    four = ["--ranks", "2", "--devices", "[cuda:0, cuda:1, cuda:2, cuda:3]"]
    assert main(["slurm", "--to", "two.sh", "--", *words, "--ranks", "2", "--workers", "1"]) == 0
    assert main(["slurm", "--to", "four.sh", "--gpus", "a100:4", "--", *words, *four]) == 0
    assert "#SBATCH --gres=gpu:2\n" in (tmp_path / "two.sh").read_text(encoding="utf-8")
    assert "#SBATCH --gres=gpu:a100:4\n" in (tmp_path / "four.sh").read_text(encoding="utf-8")
    capsys.readouterr()
    assert "Take workers: 1" in refused(["slurm", "--", *words, "--ranks", "2"], capsys)  # not hours later, in the job
    assert "The run uses 4 GPUs" in refused(["slurm", "--gpus", "2", "--", *words, *four], capsys)
    assert "--gpus must be" in refused(["slurm", "--gpus", "many", "--", *words, *four], capsys)


def test_nothing_is_written_for_a_run_that_would_be_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Did you mean 'generations'" in refused(["slurm", "--", *words, "--generation", "3"], capsys)
    assert "Did you mean 'atso'" in refused(["slurm", "--", *words, "--strategy", "atos"], capsys)
    assert "--time must be" in refused(["slurm", "--time", "soon", "--", *words], capsys)
    assert "unrecognized arguments: --output_dir r" in refused(["slurm", "--output_dir", "r"], capsys)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.sh"
    file.write_text("mine")
    assert "Will not write over" in refused(["slurm", "--to", str(file), "--", *words], capsys)
    assert file.read_text() == "mine"
