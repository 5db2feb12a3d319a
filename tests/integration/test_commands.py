"""What people type, as they type it. Each start of ``python -m monai.bundle`` takes about ten seconds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.bundle import find_bundle
from atso_monai.cohort import Cohort
from atso_monai.engine import Run
from atso_monai.files import hash_file
from atso_monai.predict import predict

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "monai.bundle", *words], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=200)
    return process.returncode, output


def bundle_run(*words: str, cwd: Path) -> tuple[int, str]:
    return finish(start("run", *words, cwd=cwd))


@pytest.fixture
def words(dataset_dir: Path, tmp_path: Path) -> Sequence[str]:
    """The command line of the run that ``finished`` made in Python."""
    return (
        "--config_file", str(find_bundle("msd_hippocampus") / "configs" / "atso.yaml"),
        "--dataset_dir", str(dataset_dir), "--output_dir", str(tmp_path / "run #1 ä"),
        "--split_seed", "1", "--labelled", "3", "--reference", "4", "--test", "3", "--generations", "1",
        "--epochs", "{'first': 1, 'later': 1}", "--views", "['axial', 'sagittal']",
        "--overrides", "{'train': {'epoch_length': 2, 'batch_size': 4, 'size': [24, 32, 24]}}",
    )  # fmt: skip


def test_killed_and_started_again_a_run_ends_the_same(
    finished: Run, words: Sequence[str], tmp_path: Path, hashes: Callable[[Path], dict[str, dict[str, str]]]
) -> None:
    run_dir = tmp_path / "run #1 ä"
    process = start("run", *words, "--executor", "local", cwd=tmp_path)
    until = time.monotonic() + 100
    while process.poll() is None and len(list(run_dir.rglob("result.json"))) < 4 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    finish(process)
    done = len(list(run_dir.rglob("result.json")))
    assert 4 <= done < len(finished.plan.steps)
    assert not (run_dir / "metrics.csv").exists()
    code, output = bundle_run(*words, "--executor", "inline", cwd=tmp_path)
    assert code == 0, output
    assert "steps were done before and are kept" in output
    assert finished.tables in output
    assert hashes(run_dir) == hashes(finished.run_dir)
    assert [p.name for p in tmp_path.iterdir()] == [run_dir.name]  # nothing is written anywhere else


def test_bad_input_is_one_message_and_exit_code_2(words: Sequence[str], tmp_path: Path) -> None:
    both = [
        start("run", *words, "--generation", "3", cwd=tmp_path),
        start(
            "run_workflow",
            "--workflow_name",
            "atso_monai.engine.AtsoWorkflow",
            *words,
            "--strategy",
            "atos",
            cwd=tmp_path,
        ),
    ]
    for process, message in zip(both, ("Did you mean 'generations'", "Did you mean 'atso'"), strict=True):
        code, output = finish(process)
        assert code == 2, output
        assert message in output
        assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_the_delivered_bundle_predicts_on_its_own(finished: Run, cohort: Cohort, tmp_path: Path) -> None:
    bundle, images = tmp_path / "delivered", tmp_path / "new scans #1"
    shutil.copytree(finished.bundle, bundle)
    images.mkdir()
    for case in cohort.test:
        shutil.copyfile(case.image, images / case.image.name)
    code, output = bundle_run(
        "--config_file", "configs/inference.yaml", "--dataset_dir", str(images),
        "--output_dir", str(tmp_path / "by monai"), cwd=bundle,
    )  # fmt: skip
    assert code == 0, output
    by_monai = {p.name: p.read_bytes() for p in (tmp_path / "by monai").glob("*.nii.gz")}
    by_atso = {p.name: p.read_bytes() for p in predict(finished.run_dir, [images], tmp_path / "by atso")}
    by_run = {p.name: p.read_bytes() for p in (finished.run_dir / "predictions" / "final").glob("*.nii.gz")}
    assert by_monai == by_atso == by_run
    for case in cohort.test:
        label, image = nib.load(tmp_path / "by monai" / f"{case.id}.nii.gz"), nib.load(case.image)
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine, atol=1e-4)


def test_a_step_repeated_by_hand_gives_the_same_weights(copied: Path) -> None:
    folder = copied / "model" / "g1" / "f1" / "axial"
    code, output = bundle_run("--config_file", "config.yaml", "--meta_file", "metadata.json", cwd=folder)
    assert code == 0, output
    assert hash_file(folder / "repeat" / "model.pt") == hash_file(folder / "model.pt")
