from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cli.main import main


def test_predict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []

    def predict(*arguments: Any, **options: Any) -> list[Path]:
        calls.append((arguments, options))
        return [label]

    label = tmp_path / "b.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), label)
    monkeypatch.setattr("atso_monai.predict.predict", predict)
    assert main(["predict", "runs/a #1", "b.nii.gz", "folder c", "--to", "out", "--device", "cuda:1"]) == 0
    expected = (Path("runs/a #1"), [Path("b.nii.gz"), Path("folder c")], Path("out"))
    assert calls == [(expected, {"device": "cuda:1"})]
    shown = capsys.readouterr().out
    assert shown.startswith("1 label in out\n")
    assert "WARNING: 1 of 1 hold class 0 alone, first b.nii.gz" in shown


def test_predict_as_dicom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []

    def predict(*arguments: Any, **options: Any) -> list[Path]:
        calls.append((arguments, options))
        return []

    monkeypatch.setattr("atso_monai.review.export.predicted.predict_dicom_seg", predict)
    (tmp_path / "volumes.csv").write_text("")
    assert main(["predict", "r", "series", "--to", str(tmp_path), "--dicom-seg"]) == 0
    assert calls == [((Path("r"), [Path("series")], tmp_path), {"device": None})]
    assert f"volumes in {tmp_path / 'volumes.csv'}" in capsys.readouterr().out
