from __future__ import annotations

import numpy as np
import pytest

from atso_monai.metrics import class_iou, confusion_matrix, mean_iou


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, (7, 5)).astype(np.uint8)
    truth[0] = 255
    return random.integers(0, 4, (7, 5)).astype(np.int16), truth


def test_counts_equal_a_loop_over_pixels() -> None:
    prediction, truth = draw(0)
    expected = np.zeros((5, 5), int)
    for p, t in zip(prediction.ravel(), truth.ravel(), strict=True):
        if t != 255:
            expected[t, p] += 1
    assert (confusion_matrix(prediction, truth, 5, ignore=255) == expected).all()


def test_iou_equals_that_of_masks() -> None:
    prediction, truth = draw(1)
    counts = truth != 255
    scores = class_iou(confusion_matrix(prediction, truth, 5, ignore=255))
    for c in range(4):
        p, t = (prediction == c) & counts, (truth == c) & counts
        assert scores[c] == pytest.approx((p & t).sum() / (p | t).sum())
    assert np.isnan(scores[4]), "a class that nobody has is no zero"
    assert mean_iou(confusion_matrix(prediction, truth, 5, ignore=255)) == pytest.approx(np.mean(scores[:4]))


def test_what_is_predicted_on_ignored_pixels_does_not_matter() -> None:
    prediction, truth = draw(2)
    other = prediction.copy()
    other[0] = 3 - other[0]
    left, right = (confusion_matrix(p, truth, 4, ignore=255) for p in (prediction, other))
    assert (left == right).all()


def test_matrices_add_up_to_that_of_all_pixels() -> None:
    pairs = [draw(n) for n in range(3)]
    whole = confusion_matrix(np.stack([p for p, _ in pairs]), np.stack([t for _, t in pairs]), 4, 255)
    assert (sum(confusion_matrix(p, t, 4, 255) for p, t in pairs) == whole).all()


def test_perfect_empty_and_wrong_input() -> None:
    prediction, truth = draw(3)
    assert mean_iou(confusion_matrix(truth, truth, 4, ignore=255)) == 1.0
    assert np.isnan(mean_iou(confusion_matrix(truth[:1], truth[:1], 4, ignore=255)))
    with pytest.raises(ValueError, match="truth must hold classes 0 to 3"):
        confusion_matrix(prediction, truth, 4)
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(prediction[1:], truth, 4, 255)
