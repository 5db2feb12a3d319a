"""The pancreas bundles on stand-ins: from DICOM series and label files to pseudo labels and a bundle."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from atso_monai.bundle import config_files, find_bundle
from atso_monai.cohort import Cohort
from atso_monai.engine import AtsoWorkflow, Run
from atso_monai.files import read_json
from atso_monai.phantom import write_msd_task, write_phantom, write_tcia

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRAINING = {"epoch_length": 2, "batch_size": 2, "stage_epochs": {"S": 1, "I": 1, "J": 1}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """ATSO from snapshots, with a self-learning control, on scans in TCIA's layout; one label lies flipped."""
    folder = tmp_path_factory.mktemp("nih")
    write_tcia(folder / "data", numbers=range(1, 7), seed=1, shape=(48, 48, 20), defects={2: "flipped label"})
    files = config_files(find_bundle("nih_pancreas"), "atso")
    workflow = AtsoWorkflow(
        [str(file) for file in files],
        dataset_dir=folder / "data", output_dir=folder / "run", split=None, labelled=2, reference=2, test=2,
        generations=1, epochs={"first": 3, "later": 1}, views=["coronal", "axial"], compare=["self_learning", "oracle"],
        overlays=["small"], overrides={"train": TRAINING, "inference": {"max_rounds": 2}}, executor="inline",
    )  # fmt: skip
    return workflow.engine.run()


def weights(run: Run, step: str, file: str = "model.pt") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run.run_dir / step / file, weights_only=True)
    return state.get("model", state)  # type: ignore[return-value]


def test_every_strategy_has_its_numbers(run: Run) -> None:
    with (run.run_dir / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "dsc" and row["set"] == "test"]
    assert {row["strategy"] for row in rows} == {"atso", "self_learning", "oracle"}
    assert all(0 <= float(row["value"]) <= 1 for row in rows)


def test_pseudo_labels_lie_on_the_grid_of_the_converted_scans(run: Run) -> None:
    cohort = read_json(run.run_dir / "cohort.json")
    for case in cohort["reference"]:
        image, label = nib.load(case["image"]), nib.load(run.pseudo_labels / f"{case['id']}.nii.gz")
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine)


def test_students_start_from_the_snapshot_with_a_saliency_module_of_their_own(run: Run) -> None:
    snapshot, last = weights(run, "model/g0/axial", "snapshot.pt"), weights(run, "model/g0/axial")
    assert any(not torch.equal(snapshot[name], last[name]) for name in last)  # stage J came after it
    students = [weights(run, f"model/g1/{fold}/axial") for fold in ("f1", "f2")]
    near = {name: (students[0][name] - snapshot[name]).abs().max() for name in snapshot if "coarse" in name}
    assert max(near.values()) < 0.1  # two steps away from where it began
    first, second = (student["saliency1.weight"] for student in students)
    assert (first - second).abs().max() > 0.05


def test_self_learning_keeps_the_saliency_module_of_its_teacher(run: Run) -> None:
    teacher, student = (weights(run, step) for step in ("model/g0/axial", "compare/self_learning/model/g1/axial"))
    assert (teacher["saliency1.weight"] - student["saliency1.weight"]).abs().max() < 0.05


def test_the_delivered_bundle_predicts(run: Run, tmp_path: Path) -> None:
    from atso_monai.predict import predict

    case = read_json(run.run_dir / "cohort.json")["test"][0]
    (made,) = predict(run.bundle, [case["image"]], tmp_path / "labels")
    kept = nib.load(run.run_dir / "predictions" / "final" / made.name)
    np.testing.assert_array_equal(np.asarray(nib.load(made).dataobj), np.asarray(kept.dataobj))


def test_from_nih_to_msd_on_slices_of_another_distance(tmp_path: Path) -> None:
    """All labels from one data set, all other scans from another; labels come out on the grid of their own scans."""
    write_tcia(tmp_path / "nih", numbers=range(1, 3), seed=1, shape=(48, 48, 20))
    write_msd_task(tmp_path / "Task07_Pancreas", cases=4, unlabelled=1, seed=2, plane=48, slice_distances=(5.0, 7.5))
    workflow = AtsoWorkflow(
        [str(file) for file in config_files(find_bundle("msd_pancreas"), "atso", ["from_nih"])],
        nih_dir=tmp_path / "nih", dataset_dir=tmp_path / "Task07_Pancreas", output_dir=tmp_path / "run",
        unlabelled=True, reference=3, test=2, strategy="stso", generations=1, epochs={"first": 3, "later": 1},
        views=["axial"], overlays=["small"], executor="inline",
        overrides={
            "train": {**TRAINING, "spacing": [None, None, 5.0]},
            "inference": {"spacing": [None, None, 5.0], "max_rounds": 1},
        },
    )  # fmt: skip
    run = workflow.engine.run()
    cohort = Cohort.load(run.run_dir / "cohort.json")
    assert {case.id[:4] for case in cohort.labelled} == {"nih_"}
    assert {case.id[:4] for case in (*cohort.reference, *cohort.test)} == {"msd_"}
    for case in cohort.reference:
        image, label = nib.load(case.image), nib.load(run.pseudo_labels / f"{case.id}.nii.gz")
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine)
        assert set(np.unique(np.asarray(label.dataobj))) <= {0, 1}
    assert "global test DSC" in run.tables


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    rows = write_phantom(tmp_path / "data", cases=2, seed=0, shape=(48, 48, 20))
    cases = [{"id": name, "image": str(image), "label": str(label)} for name, image, label in rows]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    configs = find_bundle("nih_pancreas") / "configs"
    files = [str(configs / name) for name in ("train.yaml", "train_small.yaml", "multi_gpu_train.yaml")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "monai.bundle", "run", "--config_file", str(files), "--dataset_dir", str(tmp_path / "cases.json")]
    command += ["--output_dir", str(tmp_path / "out"), "--epoch_length", "2", "--logging_file", "False"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=200, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {file.name for file in (tmp_path / "out").glob("*.pt")} == {"model.pt", "snapshot.pt"}
