"""Surface distances of a whole run, and runs of a version that had none."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance

from atso_monai.cli.main import main
from atso_monai.cohort import Cohort
from atso_monai.engine import Engine, Run

pytestmark = pytest.mark.slow

Hashes = Callable[[Path], dict[str, dict[str, str]]]
DISTANCES = {"hd95", "assd"}


def test_the_numbers_are_monais_of_the_files(finished: Run, cohort: Cohort) -> None:
    measured = [r for r in finished.rows if r["metric"] == "hd95" and r["label"] == "foreground"]
    own = {r["case"]: r for r in measured if (r["generation"], r["model"]) == ("final", "labels")}
    assert set(own) == {case.id for case in cohort.reference}
    for case in cohort.reference:
        image = nib.load(finished.pseudo_labels / f"{case.id}.nii.gz")
        masks = [np.asarray(one.dataobj) > 0 for one in (image, nib.load(case.truth))]
        if not all(mask.any() for mask in masks):
            assert own[case.id]["value"] in ("inf", "nan")
            continue
        tensors = [torch.from_numpy(mask)[None, None] for mask in masks]
        spacing = [float(v) for v in np.linalg.norm(image.affine[:3, :3], axis=0)]
        expected = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing)
        assert float(own[case.id]["value"]) == pytest.approx(float(expected), rel=1e-4)
    assert any(isfinite(float(row["value"])) for row in own.values())
    assert "HD95 and ASSD in mm" in finished.tables


def test_a_run_of_an_older_version_is_read_and_gets_them_when_it_goes_on(
    copied: Path,
    finished: Run,
    make_engine: Callable[..., Engine],
    hashes: Hashes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("atso_monai.engine.case_lists.WHOLE_MODELS", ())  # as it was
    older = make_engine(copied).run()
    assert not {row["metric"] for row in older.rows} & DISTANCES
    assert "HD95" not in older.tables
    for words in (["status", str(copied)], ["report", str(copied)]):
        assert main(words) == 0
    assert "without distances of surfaces" in (copied / "report.html").read_text(encoding="utf-8")
    monkeypatch.undo()
    trained = {path: path.stat().st_mtime_ns for path in (copied / "model").rglob("result.json")}
    newer = make_engine(copied).run()
    assert newer.rows == finished.rows
    assert hashes(copied) == hashes(finished.run_dir)
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
