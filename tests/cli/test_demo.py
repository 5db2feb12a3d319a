"""atso_monai/cli/demo.py: what it draws of a run."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from atso_monai.cli.demo import picture
from atso_monai.cohort import Case, Cohort
from atso_monai.engine import Run
from atso_monai.engine.plan import Outcome, Plan


def volume(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    return path


@pytest.mark.parametrize(
    ("strategy", "generation", "rows"), [("atso", "final", 2), ("stso", "2", 2), ("supervised", "0", 1)]
)
def test_one_row_for_each_model(tmp_path: Path, strategy: str, generation: str, rows: int) -> None:
    label = np.zeros((8, 8, 8), np.uint8)
    label[2:5, 2:5, 2:5] = 1
    image = volume(tmp_path / "a.nii.gz", np.zeros((8, 8, 8), np.int16))
    truth = volume(tmp_path / "t.nii.gz", label)
    for step in ("g0", "g2", "final"):
        volume(tmp_path / "predictions" / step / "case.nii.gz", label)
    Cohort("x", {0: "background", 1: "a"}, test=(Case("case", image, label=truth),)).save(tmp_path / "cohort.json")
    plan = Plan((), (Outcome(strategy, (), (), generation),))
    drawn = picture(Run(tmp_path, plan, [], "", tmp_path, tmp_path))
    assert Image.open(drawn).size == (3 * 260, rows * 260)
