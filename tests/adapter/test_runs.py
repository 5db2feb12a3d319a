"""Whole runs through other people's bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Engine, Run

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
    run = Engine(zoo_bundle, cohort, tmp_path / "run #1", compare=["oracle"], **SETTINGS).run()
    assert contents(zoo_bundle) == before
    require_labels(run, cohort)


def test_a_bundle_with_ways_of_its_own(own_bundle: Path, cohort: Cohort, tmp_path: Path, contents: Contents) -> None:
    before = contents(own_bundle)
    run = Engine(own_bundle, cohort, tmp_path / "run", start="teacher", **SETTINGS).run()
    assert contents(own_bundle) == before
    require_labels(run, cohort)
