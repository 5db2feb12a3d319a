"""New DICOM series as segmentations; the prediction itself is made up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.files import write_json
from atso_monai.review.export import predicted
from atso_monai.review.export.predicted import predict_dicom_seg
from atso_monai.volume_file import read_volume

CLASSES = {"0": "background", "1": "pancreas", "3": "cyst"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "models").mkdir(parents=True)
    (root / "models" / "axial.pt").write_bytes(b"weights")
    write_json(
        root / "configs" / "metadata.json", {"network_data_format": {"outputs": {"pred": {"channel_def": CLASSES}}}}
    )
    (root / "configs" / "inference.yaml").write_text("")
    return root


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which images were predicted: with labels of random classes on the grid of each."""
    images: list[Path] = []

    def predict(
        model: Path, given: Sequence[Path], to: Path, *, device: str | None, each: Callable[..., None]
    ) -> list[Path]:
        written = []
        to.mkdir(parents=True, exist_ok=True)
        for image in map(Path, given):
            array, affine = read_volume(image)
            label = np.random.default_rng(len(images)).choice([0, 1, 3], size=array.shape).astype(np.uint8)
            written.append(to / f"{image.name}.nii.gz")
            nib.save(nib.Nifti1Image(label, affine), written[-1])
            images.append(image)
            item: Mapping[str, Any] = {"id": image.name, "image": str(image)}
            each(item, written[-1])
        return written

    monkeypatch.setattr(predicted, "predict", predict)
    return images


def test_a_segmentation_lies_beside_each_label(
    bundle: Path, asked: list[Path], make_series: Callable[..., Path], tmp_path: Path
) -> None:
    series = [make_series(tmp_path / name) for name in ("scan 1", "scan ä")]
    written = predict_dicom_seg(bundle, series, tmp_path / "out")
    assert [p.name for p in written] == ["scan 1.nii.gz", "scan ä.nii.gz"]
    for label in written:
        document = hd.seg.segread(label.with_name(label.name.replace(".nii.gz", ".dcm")))
        assert [document.get_segment_description(n).segment_label for n in (1, 2)] == ["pancreas", "cyst"]
        voxels = np.asarray(nib.load(label).dataobj)
        assert int(document.pixel_array.sum()) == int((voxels > 0).sum())
        assert (document.SeriesDescription, document.ContentLabel) == ("Prediction, for research", "PREDICTION")
    assert len({hd.seg.segread(path).DeviceSerialNumber for path in (tmp_path / "out").glob("*.dcm")}) == 1


def test_what_cannot_become_a_segmentation_is_told_before_any_work(
    bundle: Path, asked: list[Path], make_series: Callable[..., Path], tmp_path: Path
) -> None:
    good, bare = make_series(tmp_path / "good"), make_series(tmp_path / "bare", FrameOfReferenceUID=None)
    scan = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.int16), np.eye(4)), scan)
    with pytest.raises(PrepareError, match=r"1 of 2 images are no DICOM series, first .*scan\.nii\.gz"):
        predict_dicom_seg(bundle, [good, scan], tmp_path / "out")
    with pytest.raises(PrepareError, match="have no FrameOfReferenceUID"):
        predict_dicom_seg(bundle, [good, bare], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "good.dcm").write_text("precious")
    with pytest.raises(PrepareError, match=r"good\.dcm is there already"):
        predict_dicom_seg(bundle, [good], tmp_path / "out")
    (bundle / "configs" / "metadata.json").write_text("{}")
    with pytest.raises(ConfigError, match="names no classes"):
        predict_dicom_seg(bundle, [good], tmp_path / "elsewhere")
    assert asked == []


def test_a_missing_package_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "atso_monai.review.export.dicom_seg", raising=False)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match=r"--dicom-seg needs highdicom.*atso_monai\[review\]"):
        predict_dicom_seg(bundle, [tmp_path], tmp_path / "out")
