from __future__ import annotations

import math

import pytest

from atso_monai.prepare.choose import MOST_VOXELS, coarser_spacing, modality, ras_spacing
from atso_monai.volume_file import VolumeFacts


def facts(shape: tuple[int, int, int], spacing: tuple[float, float, float], low: float = 0.0) -> VolumeFacts:
    a, b, c = spacing
    affine = ((0.0, 0.0, -c, 5.0), (a, 0.0, 0.0, 6.0), (0.0, b, 0.0, 7.0), (0.0, 0.0, 0.0, 1.0))  # stored as A, S, L
    return VolumeFacts("x.nii.gz", shape, affine, spacing, "int16", True, low, 100.0, None, "")


@pytest.mark.parametrize(("low", "kind"), [(-1024.0, "ct"), (-3024.0, "ct"), (0.0, "mr"), (-5.0, "mr")])
def test_hounsfield_units_are_told_by_their_air(low: float, kind: str) -> None:
    assert modality(facts((10, 10, 10), (1, 1, 1), low)) == kind


def test_spacing_follows_the_patient_and_not_the_file() -> None:
    assert ras_spacing(facts((10, 10, 10), (0.7, 0.8, 5.0))) == [5.0, 0.7, 0.8]


def test_small_scans_keep_their_spacing() -> None:
    assert coarser_spacing(facts((96, 96, 96), (1, 1, 1))) is None


@pytest.mark.parametrize("shape", [(512, 512, 120), (512, 512, 466), (256, 256, 200)])
def test_large_scans_come_down_to_the_limit_but_not_far_below(shape: tuple[int, int, int]) -> None:
    spacing = (0.8, 0.8, 1.5)
    chosen = coarser_spacing(facts(shape, spacing))
    assert chosen is not None
    voxels = math.prod(n * s / chosen for n, s in zip(shape, spacing, strict=True))
    assert 0.8 * MOST_VOXELS < voxels <= MOST_VOXELS
