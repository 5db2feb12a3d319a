"""Confusion matrices of label maps, and intersection over union."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[Any]
Matrix = npt.NDArray[np.int64]


def confusion_matrix(prediction: Labels, truth: Labels, classes: int, ignore: int | None = None) -> Matrix:
    """How many pixels of each true class were given each class.

    Args:
        prediction: class indices of any integer dtype, any shape.
        truth: the same, of the same shape.
        classes: number of classes.
        ignore: value of ``truth`` whose pixels do not count; None: all count.

    Returns:
        (classes, classes) counts: row = true class, column = predicted class. Matrices of several cases add up.

    Raises:
        ValueError: when the shapes differ, or a pixel that counts has another value than 0 .. classes - 1.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction and truth must have one shape. Received: {prediction.shape} and {truth.shape}.")
    left, right = prediction.ravel(), truth.ravel()
    if ignore is not None:
        counts = right != ignore
        left, right = left[counts], right[counts]
    for name, labels in (("prediction", left), ("truth", right)):
        if labels.dtype.kind not in "biu" or (labels.size and not 0 <= labels.min() <= labels.max() < classes):
            span = f"{labels.dtype} from {labels.min()} to {labels.max()}" if labels.size else str(labels.dtype)
            raise ValueError(f"{name} must hold classes 0 to {classes - 1}. Received: {span}.")
    pairs = right.astype(np.int64) * classes + left
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_iou(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Intersection over union of each class, 0 to 1; NaN for classes that neither truth nor prediction has.

    Source: the definition of PASCAL VOC and Cityscapes, TP / (TP + FP + FN), over all pixels of the matrix.
    """
    both = np.diag(matrix).astype(np.float64)
    either = matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    scores = np.full(len(matrix), np.nan)
    np.divide(both, either, out=scores, where=either > 0)
    return scores


def mean_iou(matrix: Matrix) -> float:
    """Mean of :func:`class_iou` over the classes that occur, 0 to 1; NaN for an empty matrix."""
    scores = class_iou(matrix)
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else float("nan")
