"""Tissues of the phantom: their numbers in the tissue map, and their CT values by contrast phase."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

# HU at phase 0 (no contrast medium), 1 (late arterial, about 35 s) and 2 (portal venous, about 70 s).
# Textbook values of abdominal CT; single patients scatter around them.
_HU: dict[str, tuple[float, float, float]] = {
    "air": (-1000, -1000, -1000),
    "table": (-30, -30, -30),
    "skin": (20, 25, 30),
    "fat": (-105, -104, -102),
    "muscle": (52, 58, 64),
    "cortical bone": (820, 820, 820),
    "spongy bone": (140, 148, 158),
    "disc": (80, 82, 84),
    "spinal canal": (25, 28, 32),
    "lung": (-860, -850, -845),
    "heart": (42, 190, 140),
    "liver": (58, 70, 110),
    "spleen": (48, 118, 122),
    "kidney cortex": (34, 170, 185),
    "kidney medulla": (30, 75, 165),
    "renal pelvis": (8, 8, 14),
    "adrenal": (20, 70, 75),
    "gallbladder": (10, 10, 12),
    "stomach wall": (40, 75, 88),
    "stomach content": (22, 22, 22),
    "bowel wall": (40, 84, 90),
    "bowel content": (20, 21, 22),
    "gas": (-960, -960, -960),
    "artery": (42, 290, 155),
    "systemic vein": (40, 75, 125),
    "portal vein": (42, 125, 165),
    "pancreas": (42, 122, 112),
}

TISSUES: Mapping[str, int] = MappingProxyType({name: number for number, name in enumerate(_HU)})
"""Name of every tissue and its number in a tissue map; air is 0."""


def hounsfield(tissue: str, phase: float) -> float:
    """CT value (HU) of ``tissue`` in the mean patient, at ``phase`` in [0, 2] between the three textbook phases."""
    return float(np.interp(phase, (0.0, 1.0, 2.0), _HU[tissue]))
