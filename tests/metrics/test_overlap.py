from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice
from monai.networks import one_hot

from atso_monai.metrics import overlap
from atso_monai.metrics.overlap import dice_scores, foreground_dice, global_dice


def pair(seed: int, classes: int, dtype: str = "uint8") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 12, 3))
    return rng.integers(0, classes, shape).astype(dtype), rng.integers(0, classes, shape).astype(dtype)


def by_sets(prediction: np.ndarray, truth: np.ndarray, value: int) -> float:
    p, t = (set(np.flatnonzero(labels == value).tolist()) for labels in (prediction, truth))
    return 2 * len(p & t) / (len(p) + len(t)) if p or t else 1.0


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64"])
def test_sets_give_the_same(dtype: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "_CHUNK", chunk)
    for seed in range(8):
        prediction, truth = pair(seed, 5, dtype)
        assert dice_scores(prediction, truth, range(7)) == {k: by_sets(prediction, truth, k) for k in range(7)}
        assert foreground_dice(prediction, truth) == by_sets(prediction > 0, truth > 0, True)


@pytest.mark.parametrize("seed", range(8))
def test_monai_gives_the_same(seed: int) -> None:
    prediction, truth = pair(seed, 4)
    hot = [one_hot(torch.from_numpy(labels)[None, None].long(), 5) for labels in (prediction, truth)]
    expected = compute_dice(*hot, include_background=True, ignore_empty=False)[0].tolist()
    assert list(dice_scores(prediction, truth, range(5)).values()) == pytest.approx(expected, abs=1e-6)


def test_empty_classes() -> None:
    empty, full = np.zeros((2, 2, 2), np.uint8), np.ones((2, 2, 2), np.uint8)
    assert dice_scores(empty, empty, [1]) == {1: 1.0}
    assert dice_scores(full, empty, [1]) == dice_scores(empty, full, [1]) == {1: 0.0}
    assert foreground_dice(empty, empty) == 1.0 and foreground_dice(full, empty) == 0.0
    assert dice_scores(empty, full, []) == {}
    assert dice_scores(np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8), [1]) == {1: 1.0}


def test_foreground_is_the_union_of_all_classes() -> None:
    prediction, truth = np.array([1, 2, 0, 1], np.uint8), np.array([2, 1, 0, 0], np.uint8)
    assert foreground_dice(prediction, truth) == pytest.approx(4 / 5)
    assert dice_scores(prediction, truth, [1, 2]) == {1: 0.0, 2: 0.0}


def test_memory_order_and_dtype_may_differ() -> None:
    prediction, truth = pair(3, 3)
    expected = dice_scores(prediction, truth, (1, 2))
    assert dice_scores(np.asfortranarray(prediction), truth.astype(np.int32), (1, 2)) == expected
    assert dice_scores(prediction[::-1], truth[::-1], (1, 2)) == expected


def test_a_memory_map_is_read_in_parts(tmp_path: Path) -> None:
    shape = (200, 200, 200)
    volume = np.lib.format.open_memmap(tmp_path / "labels.npy", "w+", np.uint8, shape)
    volume[50:100] = 1
    truth = np.zeros(shape, np.uint8)
    truth[50:150] = 1
    tracemalloc.start()
    assert dice_scores(volume, truth, [1])[1] == pytest.approx(2 / 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * overlap._CHUNK


def test_inputs_that_are_refused() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"one shape. Received: \(2, 2, 2\) and \(2, 2\)"):
        dice_scores(labels, labels[0], [1])
    with pytest.raises(ValueError, match=r"prediction must hold class indices of an integer dtype. Received: float32"):
        foreground_dice(labels.astype(np.float32), labels)


def test_global_dice_is_that_of_all_cases_in_one_volume() -> None:
    rng = np.random.default_rng(5)
    pairs = [tuple(rng.integers(0, 3, (2, *shape)).astype(np.uint8)) for shape in ((4, 5, 6), (9, 8, 7), (3, 3, 3))]
    whole = [np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1)]
    assert global_dice(iter(pairs), (1, 2)) == dice_scores(*whole, (1, 2))


def test_global_dice_weighs_by_size_and_passes_over_empty_cases() -> None:
    large, small, empty = np.ones(90, np.uint8), np.ones(10, np.uint8), np.zeros(10, np.uint8)
    assert global_dice([(large, large), (empty, small), (empty, empty)], [1]) == {1: 2 * 90 / (90 + 100)}
    with pytest.raises(ValueError, match="at least one case"):
        global_dice([], [1])
    with pytest.raises(ValueError, match="one shape"):
        global_dice([(large, small)], [1])
