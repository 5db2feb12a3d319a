"""Which slices a network trains on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

RSTN_SHARE = 0.98
"""Share of the slices with foreground that RSTN trains on (its ``slice_threshold``)."""


def slices_with_enough(counts: npt.NDArray[np.int64], share: float = RSTN_SHARE) -> npt.NDArray[np.bool_]:
    """Slices that hold at least as much foreground as the slice at rank ``floor(share * n)`` of all n with any.

    Ranks count from the largest; slices as large as the one at that rank stay, and slices without foreground never do.

    Source: OrganSegRSTN (Yu et al., CVPR 2018), ``slice_threshold``, over all training cases together.

    Args:
        counts: foreground voxels of each slice, of all cases (S,).
        share: in (0, 1].

    Returns:
        True for each slice that stays (S,).
    """
    filled = np.sort(counts[counts > 0])[::-1]
    if not len(filled):
        return np.zeros(counts.shape, dtype=bool)
    rank = max(1, math.floor(share * len(filled)))
    return np.asarray(counts >= filled[rank - 1])
