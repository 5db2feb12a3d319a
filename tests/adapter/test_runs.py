"""Whole runs through other people's bundles."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Engine, Run
from atso_monai.files import hash_file
from atso_monai.predict import predict

pytestmark = pytest.mark.slow

Contents = Callable[[Path], dict[str, str]]
SETTINGS: dict[str, Any] = {"generations": 1, "epochs": {"first": 2, "later": 1}, "executor": "inline"}


def require_labels(run: Run, cohort: Cohort) -> None:
    assert {p.name for p in run.pseudo_labels.iterdir()} == {f"{case.id}.nii.gz" for case in cohort.reference}
    for case in cohort.reference:
        label, image = nib.load(run.pseudo_labels / f"{case.id}.nii.gz"), nib.load(case.image)
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine, atol=1e-4)
        assert set(np.unique(np.asarray(label.dataobj))) <= {0, 1, 2}
    for step in run.plan.steps:
        assert (run.run_dir / step.makes / "result.json").is_file()


def test_a_bundle_like_the_zoos(zoo_bundle: Path, cohort: Cohort, tmp_path: Path, contents: Contents) -> None:
    before = contents(zoo_bundle)
    run = Engine(zoo_bundle, cohort, tmp_path / "run #1", **SETTINGS).run()
    assert contents(zoo_bundle) == before
    require_labels(run, cohort)
    written = predict(run.run_dir, [case.image for case in cohort.test], tmp_path / "labels")
    made = run.run_dir / "predictions" / "final"
    assert [hash_file(p) for p in written] == [hash_file(made / p.name) for p in written]
    assert sorted(p.name for p in (run.bundle / "models").iterdir()) == ["whole.pt"]


def test_a_bundle_with_ways_of_its_own(own_bundle: Path, cohort: Cohort, tmp_path: Path, contents: Contents) -> None:
    before = contents(own_bundle)
    run = Engine(own_bundle, cohort, tmp_path / "run", start="teacher", **SETTINGS).run()
    assert contents(own_bundle) == before
    require_labels(run, cohort)
    shutil.rmtree(own_bundle)
    written = predict(run.run_dir, [cohort.test[0].image], tmp_path / "labels")
    assert hash_file(written[0]) == hash_file(run.run_dir / "predictions" / "final" / written[0].name)
    assert not [name for name in sys.modules if name.partition(".")[0] == "scripts"]


def test_a_bundle_of_slices(slices_bundle: Path, cohort: Cohort, tmp_path: Path, contents: Contents) -> None:
    before = contents(slices_bundle)
    run = Engine(slices_bundle, cohort, tmp_path / "run", strategy="supervised", **SETTINGS).run()
    assert contents(slices_bundle) == before
    require_labels(run, cohort)


def test_validation_on_cases_held_out(zoo_bundle: Path, cohort: Cohort, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("train: {validation_cases: 1}")
    settings = {**SETTINGS, "strategy": "supervised", "executor": "local", "workers": 1}
    settings["overrides"] = {  # as the zoo has them: what they applied is inverted in the process of the step
        "train": {"train::dataloader::num_workers": 1},
        "inference": {"dataloader::num_workers": 1},
    }
    run = Engine(zoo_bundle, cohort, tmp_path / "run", mapping=mapping, **settings).run()
    require_labels(run, cohort)
    log = (run.run_dir / "model" / "g0" / "whole" / "log.txt").read_text(encoding="utf-8")
    assert log.count("val_mean_dice") >= 2
