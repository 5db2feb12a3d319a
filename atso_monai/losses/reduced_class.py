"""Cross entropy of a network with many classes against labels that know only groups of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def reduced_cross_entropy(
    logits: Tensor, target: Tensor, groups: Sequence[int], ignore_index: int = 255, weight: Tensor | None = None
) -> Tensor:
    """Mean of ``-log p(label)`` over all pixels with a label, where the probability of a group is that of its members.

    Source: ATSO section 5.2: "the target network generates 19-class segmentation and then reduces it to 5 classes for
    computing the loss function with respect to the pseudo labels". Probabilities are summed as the log-sum-exp of log
    probabilities, so that a group of very unlikely classes keeps its gradient.

    Args:
        logits: (N, C, ...) scores of C classes.
        target: (N, ...) or (N, 1, ...) integers: a class 0 .. C-1, or C + g for "one of the classes of group g", or
            ``ignore_index``. Both kinds may meet in one batch.
        groups: the group, 0, 1, 2, ..., of each of the C classes.
        ignore_index: label of pixels that do not count.
        weight: (C,) weight of each class; that of a group is the mean over its members. None: all 1. The result is
            divided by the sum of weights, as torch does.

    Returns:
        A scalar; 0, with zero gradient, where no pixel counts.

    Raises:
        ValueError: when shapes, groups or labels do not fit.
    """
    table = membership(groups, logits.shape[1]).to(logits.device)
    if target.ndim == logits.ndim:
        target = target.squeeze(1)
    if target.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(f"target {tuple(target.shape)} must have the pixels of logits {tuple(logits.shape)}.")
    counts = target != ignore_index
    labels = torch.where(counts, target, 0).long()
    if int(labels.min()) < 0 or int(labels.max()) >= len(table):
        found = sorted(set(labels.flatten().tolist()) - set(range(len(table))))
        raise ValueError(f"Labels must be 0 to {len(table) - 1}, or {ignore_index} to ignore. Received: {found[:8]}.")
    exact = logits if logits.dtype == torch.float64 else logits.float()  # half precision has too few digits for sums
    classes = exact.log_softmax(1)
    sums = [classes[:, members].logsumexp(1, keepdim=True) for members in table[logits.shape[1] :]]
    chosen = torch.cat([classes, *sums], 1).gather(1, labels[:, None])[:, 0]
    each = torch.ones(len(table), device=logits.device) if weight is None else _mean_weights(table, weight)
    shares = each.to(chosen.dtype)[labels] * counts
    return -(chosen * shares).sum() / shares.sum().clamp_min(torch.finfo(shares.dtype).tiny)


def membership(groups: Sequence[int], classes: int) -> Tensor:
    """Which classes a label may stand for: bool (C + G, C), the C classes alone and then the G groups.

    Raises:
        ValueError: when ``groups`` does not give each class a group of 0, 1, 2, ... without gaps.
    """
    found = sorted(set(groups))
    if len(groups) != classes or found != list(range(len(found))):
        raise ValueError(f"groups must give each of {classes} classes a group 0, 1, 2, .... Received: {list(groups)}.")
    grouped = torch.tensor(groups) == torch.arange(len(found))[:, None]
    return torch.cat([torch.eye(classes, dtype=torch.bool), grouped])


def _mean_weights(table: Tensor, weight: Tensor) -> Tensor:
    shares = table.to(weight.dtype)
    return (shares @ weight.to(table.device)) / shares.sum(1)


class ReducedClassLoss(nn.Module):
    """:func:`reduced_cross_entropy` as a module, for MONAI trainers.

    Args:
        groups: the group, 0, 1, 2, ..., of each class.
        ignore_index: label of pixels that do not count.
        weight: weight of each class; None: all 1.

    Raises:
        ValueError: see :func:`membership`, or when there are more or fewer weights than classes.

    Example::

        # 5 classes in 2 groups; label 3 is class 3, label 5 "class 0 or 1", label 6 "class 2, 3 or 4"
        ReducedClassLoss(groups=[0, 0, 1, 1, 1])
    """

    weight: Tensor | None

    def __init__(self, groups: Sequence[int], ignore_index: int = 255, weight: Sequence[float] | None = None) -> None:
        super().__init__()
        membership(groups, len(groups))
        if weight is not None and len(weight) != len(groups):
            given = list(weight)
            raise ValueError(f"weight must have one number for each of {len(groups)} classes. Received: {given}.")
        self.groups, self.ignore_index = tuple(groups), ignore_index
        self.register_buffer("weight", None if weight is None else torch.tensor(weight, dtype=torch.float32))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, C, ...) and labels (N, ...) or (N, 1, ...): a scalar."""
        return reduced_cross_entropy(logits, target, self.groups, self.ignore_index, self.weight)
