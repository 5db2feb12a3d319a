"""Dice between label volumes, class by class, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[Any]

_CHUNK = 1 << 20


def dice_scores(prediction: Labels, truth: Labels, classes: Iterable[int]) -> dict[int, float]:
    """Dice of each class, ``2 |P and T| / (|P| + |T|)``, 0 to 1.

    A class that both lack scores 1.0, one that only one of them has scores 0.0. Both volumes are read once, in parts,
    so memory maps need not fit in memory.

    Args:
        prediction: class indices of any integer dtype or bool, any shape.
        truth: the same, of the same shape.
        classes: the class indices to score, such as ``(1, 2)``.

    Raises:
        ValueError: when the shapes differ or a volume does not hold integers.
    """
    return global_dice([(prediction, truth)], classes)


def global_dice(pairs: Iterable[tuple[Labels, Labels]], classes: Iterable[int]) -> dict[int, float]:
    """Dice of each class over all cases as if they were one volume: ``2 sum |P and T| / sum (|P| + |T|)``, 0 to 1.

    Large organs and fine grids weigh more than in the mean over cases, and a case in which both lack the class changes
    nothing. Every pair is read once, in parts; pairs that are made one by one need not fit in memory together.

    Source: ATSO, section 5.1: "A global DSC (combining all test cases into a single volume) is computed."

    Args:
        pairs: (prediction, truth) of each case, as for :func:`dice_scores`; the shapes of different cases may differ.
        classes: the class indices to score.

    Raises:
        ValueError: when the shapes of a pair differ, a volume does not hold integers, or there is no pair.
    """
    classes = list(classes)
    counts = [class_counts(*pair, classes) for pair in pairs]
    if not counts:
        raise ValueError("pairs must hold at least one case. Received: none.")
    return {value: dice_of(row) for value, row in zip(classes, np.sum(counts, axis=0), strict=True)}


def class_counts(prediction: Labels, truth: Labels, classes: Iterable[int]) -> npt.NDArray[np.int64]:
    """Voxels of each class in both, in the prediction and in the truth: (classes, 3); arguments as for
    :func:`dice_scores`. Counts of several cases add up.
    """
    classes = list(classes)
    counts = np.zeros((len(classes), 3), dtype=np.int64)
    for part_p, part_t in _parts(prediction, truth):
        for row, value in enumerate(classes):
            counts[row] += _counts(part_p == value, part_t == value)
    return counts


def foreground_counts(prediction: Labels, truth: Labels) -> npt.NDArray[np.int64]:
    """:func:`class_counts` of the union of all classes but 0: (3,)."""
    counts = np.zeros(3, dtype=np.int64)
    for part_p, part_t in _parts(prediction, truth):
        counts += _counts(part_p != 0, part_t != 0)
    return counts


def dice_of(counts: npt.NDArray[np.int64]) -> float:
    """Dice of voxels in both, in the prediction and in the truth; 1.0 where there are none."""
    both, predicted, true = (int(count) for count in counts)
    return 2 * both / (predicted + true) if predicted + true else 1.0


def foreground_dice(prediction: Labels, truth: Labels) -> float:
    """Dice of the union of all classes but 0; arguments and empty volumes as for :func:`dice_scores`."""
    return dice_of(foreground_counts(prediction, truth))


def _counts(mask_p: npt.NDArray[np.bool_], mask_t: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.array([np.count_nonzero(mask_p & mask_t), np.count_nonzero(mask_p), np.count_nonzero(mask_t)])


def _parts(prediction: Labels, truth: Labels) -> Iterator[tuple[Labels, Labels]]:
    """The two volumes in slabs along the axis that is slowest in memory, whatever their order."""
    if prediction.shape != truth.shape:
        raise ValueError(
            f"prediction and truth must have one shape. Received: {prediction.shape} and {truth.shape}. "
            "Bring both to the native grid of the case first."
        )
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if labels.dtype.kind not in "biu":
            raise ValueError(f"{name} must hold class indices of an integer dtype. Received: {labels.dtype}.")
    if not prediction.ndim:
        prediction, truth = prediction.reshape(1), truth.reshape(1)
    axis = int(np.argmax(np.abs(truth.strides)))
    size = truth.shape[axis]
    rows = max(1, _CHUNK * size // max(1, truth.size))
    for start in range(0, size, rows):
        part = (slice(None),) * axis + (slice(start, start + rows),)
        yield prediction[part], truth[part]
