"""What a person's own scans ask of the training grid and the normalisation, where nobody has chosen."""

from __future__ import annotations

import math

import nibabel as nib
import numpy as np

from atso_monai.volume_file import VolumeFacts

CT_BELOW = -200.0
"""A scan with values below this is taken for CT in Hounsfield units (air is about -1000)."""
MOST_VOXELS = 1_500_000
"""Larger scans are trained on at a coarser spacing: whole volumes are augmented in 3D at every step."""


def modality(facts: VolumeFacts) -> str:
    """``ct`` or ``mr``, by the lowest value of a scan."""
    return "ct" if facts.minimum < CT_BELOW else "mr"


def ras_spacing(facts: VolumeFacts) -> list[float]:
    """Spacing in mm along the RAS axes."""
    spacing = [0.0] * 3
    for stored, (axis, _) in enumerate(nib.orientations.io_orientation(np.array(facts.affine))):
        spacing[int(axis)] = round(facts.spacing[stored], 4)
    return spacing


def coarser_spacing(facts: VolumeFacts) -> float | None:
    """Isotropic spacing in mm, to 0.1, that brings a scan to at most ``MOST_VOXELS``; None where it has no more."""
    if math.prod(facts.shape) <= MOST_VOXELS:
        return None
    millimetres = math.prod(n * s for n, s in zip(facts.shape, facts.spacing, strict=True))
    return math.ceil(10 * float(np.cbrt(millimetres / MOST_VOXELS))) / 10
