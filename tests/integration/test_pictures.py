"""A whole run on pictures: PNG labels on their own grid, IoU, ignored pixels, and the route by reduced classes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from atso_monai.cohort import Cohort, camvid_cohort
from atso_monai.engine import Engine, Run
from atso_monai.engine.record import read_result
from atso_monai.engine.status import recorded_plan
from atso_monai.errors import ConfigError
from atso_monai.metrics import confusion_matrix, mean_iou
from atso_monai.predict import predict

VARIANTS = {
    "atso_5": {"kind": "atso", "reduced": True},
    "atso_5_target": {"kind": "stso", "after": "atso_5", "generations": 1, "overlay": "target"},
    "atso_5_to_11": {"kind": "self_learning", "after": "atso_5_target", "generations": 1, "overlay": "finetune"},
}
SETTINGS: dict[str, Any] = {
    "strategy": "atso_5_to_11",
    "compare": ["oracle"],
    "variants": VARIANTS,
    "reduction": "camvid_11_to_5",
    "generations": 1,
    "epochs": 1,
    "views": ["whole"],
    "overrides": {
        "train": {"epoch_length": 2, "batch_size": 2, "side": 32, "size": [32, 32]},
        "inference": {"side": 32},
    },
    "executor": "inline",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of different sizes in CamVid's folders, with void (11) at the top."""
    folder = tmp_path_factory.mktemp("frames") / "Cäm #1"
    for n, part in enumerate(["train"] * 5 + ["val"] * 2):
        random, size = np.random.default_rng(n), (40 + 4 * n, 60 - 2 * n)
        label = np.kron(random.integers(0, 11, (9, 8)), np.ones((8, 8), int))[: size[0], : size[1]].astype(np.uint8)
        label[:6] = 11
        image = np.stack([label * 20, 255 - label * 20, random.integers(0, 255, label.shape)], -1).astype(np.uint8)
        for name, array in ((part, image), (f"{part}annot", label)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / name / f"frame {n}.png")
    return folder


@pytest.fixture(scope="module")
def cohort(frames: Path) -> Cohort:
    return camvid_cohort(frames, labelled=2)


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Engine("camvid", cohort, tmp_path_factory.mktemp("runs") / "run", **SETTINGS).run()


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_pseudo_labels_are_png_of_the_pictures_own_size(run: Run, cohort: Cohort) -> None:
    files = {file.name: pixels(file) for file in run.pseudo_labels.iterdir()}
    assert set(files) == {f"{case.id}.png" for case in cohort.reference}
    for case in cohort.reference:
        label = files[f"{case.id}.png"]
        assert label.shape == pixels(case.image).shape[:2] and label.dtype == np.uint8 and label.max() <= 10


def test_iou_is_that_of_all_pixels_with_a_label(run: Run, cohort: Cohort) -> None:
    matrix = np.zeros((11, 11), np.int64)
    for case in cohort.reference:
        assert case.truth is not None
        truth = np.where(pixels(case.truth) == 11, 255, pixels(case.truth))
        matrix += confusion_matrix(pixels(run.pseudo_labels / f"{case.id}.png"), truth, 11, ignore=255)
    with (run.run_dir / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    at = {"strategy": "atso_5_to_11", "model": "labels", "metric": "iou", "case": "", "fold": "", "label": "mean"}
    (row,) = [row for row in rows if all(row[k] == v for k, v in at.items())]
    assert float(row["value"]) == pytest.approx(mean_iou(matrix), abs=1e-6)
    assert f"{100 * mean_iou(matrix):.1f}" in run.tables


def test_the_phases_see_the_labels_that_they_should(run: Run, cohort: Cohort) -> None:
    def items(makes: str) -> dict[str, dict[str, Any]]:
        listed = json.loads((run.run_dir / makes / "datalist.json").read_text(encoding="utf-8"))
        return {item["id"]: item for item in listed}

    def config(makes: str) -> dict[str, Any]:
        return dict(yaml.safe_load((run.run_dir / makes / "config.yaml").read_text(encoding="utf-8")))

    known, other = cohort.labelled[0].id, cohort.reference[0].id
    first = items("base/reduced/model/g0/whole")
    assert set(first) == {case.id for case in cohort.labelled}
    assert first[known]["label_map"]["3"] == 0 and first[known]["label_map"]["11"] == 255, "road, void"
    assert config("base/reduced/model/g0/whole")["num_classes"] == 5
    target = items("compare/atso_5_target/model/g1/whole")
    assert target[known]["label_map"]["10"] == 10 and target[other]["label_map"] == {str(k): 11 + k for k in range(5)}
    assert "camvid_11_to_5" in config("compare/atso_5_target/model/g1/whole")["groups"]
    last = items("model/g1/whole")
    assert "label_map" not in last[other] and "compare/atso_5_target/labels/final" in last[other]["label"]
    assert config("model/g1/whole")["learning_rate"] < config("compare/atso_5_target/model/g1/whole")["learning_rate"]


def test_tables_have_every_phase_and_the_reduced_classes_apart(run: Run) -> None:
    assert [o.strategy for o in run.plan.outcomes] == ["atso_5_to_11", "oracle", "atso_5_target", "atso_5"]
    reduced = next(part for part in run.tables.split("\n\n") if "vehicle" in part)
    assert "atso_5 " in reduced and "oracle" not in reduced and "bicyclist" not in reduced
    assert recorded_plan(run.run_dir) == run.plan


def test_a_run_goes_on_where_a_phase_is_missing(run: Run, cohort: Cohort) -> None:
    before = {step.makes: read_result(run.run_dir / step.makes) for step in run.plan.steps}
    lost = run.run_dir / "compare" / "atso_5_target" / "model" / "g1" / "whole" / "result.json"
    lost.unlink()
    again = Engine("camvid", cohort, run.run_dir, **SETTINGS).run()
    after = {step.makes: read_result(run.run_dir / step.makes) for step in again.plan.steps}
    for makes, result in after.items():
        assert result is not None and before[makes] is not None
        assert result.files == before[makes].files, makes
    assert before["base/reduced/model/g0/whole"] == after["base/reduced/model/g0/whole"]


def test_the_delivered_bundle_labels_new_pictures(run: Run, frames: Path, tmp_path: Path) -> None:
    written = predict(run.bundle, [frames / "val"], tmp_path / "out")
    assert [path.name for path in written] == ["frame 5.png", "frame 6.png"]
    assert pixels(written[0]).shape == pixels(frames / "val" / "frame 5.png").shape[:2]
    expected = run.run_dir / "predictions" / "g1" / "frame 5.png"
    assert (pixels(written[0]) == pixels(expected)).all()
    assert "<name>.png" in (run.bundle / "docs" / "README.md").read_text(encoding="utf-8")


def test_pictures_for_a_bundle_of_volumes_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"phantom_pancreas is for volumes. Received: a picture"):
        Engine("phantom_pancreas", cohort, tmp_path / "run", executor="inline").check()


def test_a_missing_or_wrong_reduction_is_told(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reduction must name a label map"):
        Engine("camvid", cohort, tmp_path / "run", **{**SETTINGS, "reduction": None}).check()
    with pytest.raises(ConfigError, match="must give each of the classes"):
        Engine("camvid", cohort, tmp_path / "run", **{**SETTINGS, "reduction": "street_19_to_5"}).check()
