"""Slices of a view with their neighbours, and predictions of all of them back to one value per voxel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch


def with_neighbours(slices: torch.Tensor, chosen: Sequence[int], context: int) -> torch.Tensor:
    """Slices (S, H, W) to inputs (len(chosen), context, H, W); neighbours beyond the ends repeat the end."""
    reach = context // 2
    centre = torch.as_tensor(chosen, dtype=torch.int64, device=slices.device)[:, None]
    index = centre + torch.arange(-reach, reach + 1, device=slices.device)
    return slices[index.clamp(0, len(slices) - 1)]


def consecutive(chosen: Sequence[int], batch_size: int) -> list[Sequence[int]]:
    """``chosen`` in parts of at most ``batch_size``, in order."""
    return [chosen[first : first + batch_size] for first in range(0, len(chosen), batch_size)]


def mean_of_overlaps(
    slices: torch.Tensor,
    batches: Iterable[Sequence[int]],
    predict: Callable[[Sequence[int]], torch.Tensor],
    context: int = 3,
) -> torch.Tensor:
    """Mean prediction of each slice over all inputs that it is part of.

    A slice is in up to ``context`` inputs; one at the end of the volume in fewer (two of three), since the copies that
    stand in for neighbours beyond the end are left out. An input that no batch names counts as a prediction of 0.

    Source: the testing of OrganSegRSTN, which divides by these numbers whether an input was predicted or skipped.

    Args:
        slices: (S, H, W).
        batches: indices of the middle slices of the inputs to predict.
        predict: from such indices (N of them) to predictions (N, context, H, W), one channel for each slice.
        context: slices of an input, odd.

    Returns:
        (S, H, W), float32.
    """
    total = torch.zeros(slices.shape, dtype=torch.float32, device=slices.device)
    for chosen in batches:
        for middle, prediction in zip(chosen, predict(chosen), strict=True):
            _add(total, middle, prediction)
    return total.div_(_overlaps(len(slices), context).to(total.device)[:, None, None])


def _add(total: torch.Tensor, middle: int, prediction: torch.Tensor) -> None:
    """Add an input's predictions (context, H, W) to those of its slices that are not copies."""
    first = middle - len(prediction) // 2
    below = max(0, -first)
    above = min(len(prediction), len(total) - first)
    total[first + below : first + above] += prediction[below:above]


def _overlaps(slices: int, context: int) -> torch.Tensor:
    """Number of inputs that each of ``slices`` slices is part of."""
    index, reach = torch.arange(slices), context // 2
    return (index + reach).clamp(max=slices - 1) - (index - reach).clamp(min=0) + 1
