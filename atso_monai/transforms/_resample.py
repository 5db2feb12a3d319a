"""Resampling of a tensor along one of its axes."""

from __future__ import annotations

import torch

from atso_monai.transforms._arrays import same_bits

_CHUNK = 1 << 22  # elements per round; bounds the temporary memory to some tens of MB


def sample_positions(count: int, size: int, step: float) -> torch.Tensor:
    """Indices (float64, count) of ``count`` points, ``step`` apart, whose middle is the middle of ``size`` slices."""
    steps = torch.arange(count, dtype=torch.float64) - (count - 1) / 2
    # rounded, so that a point half way between two slices is recognised as such whatever the last bit says
    return torch.round(steps * step + (size - 1) / 2, decimals=9)


def resample_axis(volume: torch.Tensor, positions: torch.Tensor, axis: int, mode: str) -> torch.Tensor:
    """Values of ``volume`` at ``positions`` (indices along ``axis``); beyond the ends the end slice is repeated.

    Args:
        volume: any shape with at least one more axis than ``axis``; not modified.
        positions: float64, one index for each slice of the result.
        axis: the axis of ``volume`` to resample.
        mode: "linear" or "nearest" (half way takes the higher index).

    Returns:
        A new contiguous tensor; dtype as ``volume``, but float32 for integers in mode "linear".
    """
    last = volume.shape[axis] - 1
    if mode == "nearest":
        index = torch.floor(positions + 0.5).long().clamp(0, last).to(volume.device)
        return _take(same_bits(volume), index, axis).view(volume.dtype)
    low = positions.clamp(0, last).floor().long()
    weight = (positions.clamp(0, last) - low).to(volume.device)
    low = low.to(volume.device)
    return _between(volume, low, (low + 1).clamp(max=last), weight, axis)


def _take(volume: torch.Tensor, index: torch.Tensor, axis: int) -> torch.Tensor:
    return volume[(slice(None),) * axis + (index,)]  # several times faster than index_select on the last axis


def _between(
    volume: torch.Tensor, low: torch.Tensor, high: torch.Tensor, weight: torch.Tensor, axis: int
) -> torch.Tensor:
    work = torch.float64 if volume.dtype == torch.float64 else torch.float32
    shape = list(volume.shape)
    shape[axis] = len(low)
    out = torch.empty(shape, dtype=volume.dtype if volume.is_floating_point() else work, device=volume.device)
    weight = weight.to(work).reshape([-1] + [1] * (volume.ndim - 1 - axis))
    across = max((i for i in range(volume.ndim) if i != axis), key=lambda i: shape[i])
    rows = max(1, _CHUNK * shape[across] // max(1, out.numel()))
    for start in range(0, shape[across], rows):
        count = min(rows, shape[across] - start)
        part = volume.narrow(across, start, count).to(work)
        below = _take(part, low, axis)
        mixed = below.lerp_(_take(part, high, axis), weight.expand_as(below))
        out.narrow(across, start, count).copy_(mixed)
    return out
