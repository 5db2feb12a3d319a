"""Means and votes over volumes, worked through in parts that fit the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

_CHUNK = 1 << 18
_WIDE_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def mean_of(views: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of volumes of one shape, float32, or float64 where one of them is."""
    work = torch.float64 if any(view.dtype == torch.float64 for view in views) else torch.float32
    out = torch.empty(views[0].shape, dtype=work, device=views[0].device)
    for part in _parts(out, first_axis=0):
        total = out[part].copy_(views[0][part])
        for view in views[1:]:
            total += view[part]
        total /= len(views)
    return out


def label_vote(views: Sequence[torch.Tensor]) -> torch.Tensor:
    """The most frequent value at each voxel of label volumes of one shape; the lowest of those that tie."""
    out = torch.empty(views[0].shape, dtype=views[0].dtype, device=views[0].device)
    for part in _parts(out, first_axis=0):
        # each view lies in memory in the order of its own slices; one transposition each serves all comparisons
        labels = [_comparable(view[part].contiguous()) for view in views]
        out[part] = _winner(labels).to(out.dtype)
    return out


def probability_vote(views: Sequence[torch.Tensor]) -> torch.Tensor:
    """Labels (1, ...) by the votes of class probabilities (K, ...); ties to the higher mean, then the lower class."""
    classes = views[0].shape[0]
    dtype = torch.uint8 if classes <= 256 else torch.int64
    out = torch.empty((1, *views[0].shape[1:]), dtype=dtype, device=views[0].device)
    for part in _parts(views[0], first_axis=1):
        scores = [view[part].contiguous() for view in views]
        mean, ballots = mean_of(scores), [_highest(score) for score in scores]
        votes = torch.stack([_count(ballots, k) for k in range(classes)])
        out[part] = _highest(votes, mean).to(dtype)
    return out


def _highest(scores: torch.Tensor, then: torch.Tensor | None = None) -> torch.Tensor:
    """The index (1, ...) of the highest of ``scores`` (K, ...); ties by ``then`` (K, ...), then to the lowest index.

    Class by class, since ``argmax`` over a leading axis is some ten times slower.
    """
    best, index = scores[0], torch.zeros(scores.shape[1:], dtype=torch.int16, device=scores.device)
    second = None if then is None else then[0]
    for k in range(1, len(scores)):
        better = scores[k] > best
        if then is not None and second is not None:
            better |= (scores[k] == best) & (then[k] > second)
            second = torch.where(better, then[k], second)
        best = torch.maximum(best, scores[k])
        index.masked_fill_(better, k)
    return index[None]


def _count(ballots: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    total = torch.zeros(ballots[0].shape[1:], dtype=torch.uint8, device=ballots[0].device)
    for ballot in ballots:
        total += ballot[0] == value
    return total


def _winner(labels: Sequence[torch.Tensor]) -> torch.Tensor:
    """The most frequent of ``labels`` at each place: no class count, no one-hot; E (E - 1) / 2 comparisons."""
    votes = [torch.zeros(labels[0].shape, dtype=torch.uint8, device=labels[0].device) for _ in labels]
    for i, mine in enumerate(labels):
        for j in range(i):
            same = mine == labels[j]
            votes[i] += same
            votes[j] += same
    best, most = labels[0], votes[0]
    for value, count in zip(labels[1:], votes[1:], strict=True):
        better = (count > most) | ((count == most) & (value < best))
        best, most = torch.where(better, value, best), torch.maximum(count, most)
    return best


def _comparable(labels: torch.Tensor) -> torch.Tensor:
    if labels.dtype in _WIDE_UNSIGNED:
        return labels.to(torch.int64)
    if labels.is_floating_point() and not bool((labels == labels.trunc()).all()):
        raise ValueError(
            "One channel is voted on as labels, which must be whole numbers. Received: fractions or NaN. "
            "Threshold probabilities first, or fuse them with mode='mean'."
        )
    return labels


def _parts(volume: torch.Tensor, first_axis: int) -> Iterator[tuple[slice, ...]]:
    """Index tuples that cut ``volume`` along its longest axis, from ``first_axis`` on, into parts of about _CHUNK."""
    axis = max(range(first_axis, volume.ndim), key=lambda i: volume.shape[i])
    size = volume.shape[axis]
    rows = max(1, _CHUNK * size // max(1, volume.numel()))
    for start in range(0, size, rows):
        yield (slice(None),) * axis + (slice(start, start + rows),)
