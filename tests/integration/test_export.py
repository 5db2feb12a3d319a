"""Exports of a run that was made, not made up; moved away from where it was made."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import slicerio

from atso_monai.cli.main import main

pytestmark = pytest.mark.slow


def test_exports_hold_the_pseudo_labels(copied: Path, tmp_path: Path) -> None:
    for file_format in ("slicer", "nifti"):
        words = ["export", str(copied), "--to", str(tmp_path / file_format), "--format", file_format]
        assert main(words) == 0
    files = sorted((copied / "pseudo_labels").glob("*.nii.gz"))
    assert len(files) == 4
    for file in files:
        name = file.name.removesuffix(".nii.gz")
        label = nib.load(file)
        voxels = np.asarray(label.dataobj)
        assert (tmp_path / "nifti" / file.name).read_bytes() == file.read_bytes()
        read = slicerio.read_segmentation(str(tmp_path / "slicer" / "segmentations" / f"{name}.seg.nrrd"))
        np.testing.assert_array_equal(read["voxels"][0], voxels)
        np.testing.assert_allclose(read["ijkToLPS"], np.diag([-1, -1, 1, 1]) @ label.affine, atol=1e-4)
    assert len(list((tmp_path / "slicer" / "segmentations").iterdir())) == 7
