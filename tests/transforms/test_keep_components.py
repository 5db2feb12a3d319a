from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import KeepLargestConnectedComponent
from scipy import ndimage
from skimage import measure

from atso_monai.errors import ConfigError
from atso_monai.transforms import KeepComponents, large_components


def blobs(seed: int, classes: int = 3, rank: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, rng.integers(3, 12, rank)).astype(np.uint8)


def by_scipy(labels: np.ndarray, fraction: float) -> np.ndarray:
    out = np.zeros_like(labels)
    for value in set(labels.flat) - {0}:
        components, count = ndimage.label(labels == value)  # faces only, by default
        sizes = [np.sum(components == i + 1) for i in range(count)]
        for i, size in enumerate(sizes):
            if size >= fraction * max(sizes):
                out[components == i + 1] = value
    return out


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.75, 1])
def test_scipy_keeps_the_same(fraction: float, rank: int, as_kind: Any) -> None:
    for seed in range(6):
        labels = blobs(seed, rank=rank)
        out = KeepComponents(fraction)(as_kind(labels[None]))
        assert np.array_equal(np.asarray(out)[0], by_scipy(labels, fraction))


@pytest.mark.parametrize("seed", range(6))
def test_skimage_keeps_the_same_of_the_union(seed: int) -> None:
    labels = blobs(seed, classes=4)
    labels[:, ::2] = 0
    components = measure.label(labels > 0, connectivity=1)
    sizes = np.bincount(components.ravel())[1:]
    kept = [i + 1 for i, size in enumerate(sizes) if size >= 0.5 * sizes.max()]
    out = KeepComponents(independent=False)(labels[None])[0]
    assert np.array_equal(out, np.where(np.isin(components, kept), labels, 0))


@pytest.mark.parametrize("seed", range(4))
def test_a_fraction_of_one_is_monai_s_largest_where_that_is_unique(seed: int) -> None:
    labels = torch.from_numpy(np.random.default_rng(seed).random((1, 9, 9, 9)) > 0.6).to(torch.uint8)
    sizes = np.bincount(measure.label(labels[0].numpy(), connectivity=1).ravel())[1:]
    if np.sum(sizes == sizes.max()) == 1:
        truth = KeepLargestConnectedComponent(connectivity=1, is_onehot=False)(labels.clone())
        assert torch.equal(KeepComponents(1.0)(labels), truth)


def pieces(*sizes: int) -> np.ndarray:
    """Rods of the given lengths, apart from each other."""
    out = np.zeros((1, 2 * len(sizes), 1, max(sizes)), np.uint8)
    for i, size in enumerate(sizes):
        out[0, 2 * i, 0, :size] = 1
    return out


def test_exactly_half_is_kept_and_just_below_is_not() -> None:
    out = KeepComponents()(pieces(10, 5, 4))
    assert out.sum(axis=(0, 2, 3)).tolist() == [10, 0, 5, 0, 0, 0]
    assert KeepComponents(0.1)(pieces(30, 3, 2)).sum() == 33
    assert KeepComponents(0.7)(pieces(10, 7)).sum() == 17


def test_corners_and_edges_do_not_join() -> None:
    labels = np.zeros((1, 4, 4, 4), np.uint8)
    labels[0, :2, :2, :2] = 1
    labels[0, 2, 2, 2] = 1
    assert KeepComponents()(labels).sum() == 8


def test_labels_are_judged_on_their_own_or_as_one() -> None:
    labels = pieces(10, 3)
    labels[0, 2] *= 2
    assert np.array_equal(KeepComponents()(labels), labels)
    assert KeepComponents(independent=False)(labels).sum() == 10


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint32", "uint64", "float16", "float64"])
@pytest.mark.parametrize("independent", [True, False])
def test_dtypes_values_and_nothing_in_nothing_out(dtype: str, independent: bool, as_kind: Any) -> None:
    value = 1 if dtype == "bool" else -5 if dtype in ("int8", "int64") else 7
    labels = (pieces(6, 2).astype("int16") * value).astype(dtype)
    keep = KeepComponents(independent=independent)
    out = np.asarray(keep(as_kind(labels)))
    assert out.dtype == dtype
    assert np.array_equal(out[0, 0], labels[0, 0]) and not out[0, 1:].any()
    assert not np.asarray(keep(as_kind(np.zeros_like(labels)))).any()


def test_bfloat16_labels() -> None:
    labels = torch.from_numpy(pieces(6, 2)).to(torch.bfloat16)
    out = KeepComponents()(labels)
    assert out.dtype == torch.bfloat16 and out.sum() == 6


def test_large_components_of_an_empty_array() -> None:
    assert large_components(np.zeros((0, 3, 3), np.uint8)).shape == (0, 3, 3)


@pytest.mark.parametrize("shape", [(2, 3, 3, 3), (3, 3), (1, 2, 3, 4, 5)])
def test_shapes_that_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(1, X, Y, Z\) or \(1, H, W\) are needed"):
        KeepComponents()(np.ones(shape, np.uint8))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_fractions_that_are_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="fraction must lie between 0 and 1"):
        KeepComponents(fraction)
