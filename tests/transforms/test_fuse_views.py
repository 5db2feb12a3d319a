from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, MeanEnsemble, VoteEnsemble

from atso_monai.errors import ConfigError
from atso_monai.transforms import FuseViews, FuseViewsd, _fusion


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fusion, "_CHUNK", 50)  # so that small volumes are cut into several parts


def views_of(seed: int, count: int, classes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (1, *rng.integers(1, 9, 3))
    return [rng.integers(0, classes, shape).astype(np.uint8) for _ in range(count)]


def majority(votes: tuple[int, ...]) -> int:
    counts = Counter(votes)
    return min(value for value in counts if counts[value] == max(counts.values()))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_votes_are_those_counted_by_hand(count: int, as_kind: Any) -> None:
    for seed in range(4):
        views = views_of(seed, count, 4)
        out = np.asarray(FuseViews("vote")([as_kind(view) for view in views]))
        truth = [majority(votes) for votes in zip(*(view.ravel().tolist() for view in views), strict=True)]
        assert out.dtype == np.uint8 and out.ravel().tolist() == truth


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_votes_are_those_of_monai(classes: int) -> None:
    views = [torch.from_numpy(view) for view in views_of(classes, 3, classes)]
    truth = VoteEnsemble(num_classes=classes)([view.clone() for view in views])
    agreed = (views[0] == views[1]) | (views[0] == views[2]) | (views[1] == views[2])
    assert torch.equal(FuseViews("vote")(views)[agreed], truth[agreed])


def test_means_are_those_of_monai() -> None:
    views = [torch.rand(3, 5, 6, 7, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    assert torch.allclose(FuseViews()(views), MeanEnsemble()(views))
    assert torch.allclose(FuseViews()(torch.stack(views)), MeanEnsemble()(views))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int64", "uint64", "float32", "bool"])
def test_any_label_value_of_any_dtype(dtype: str) -> None:
    low, high = (0, 1) if dtype == "bool" else (0, 60000) if dtype[0] == "u" else (-300, 9000)
    a, b, c = (np.full((1, 2, 2, 2), value).astype(dtype) for value in (high, low, high))
    out = FuseViews("vote")([a, b, c])
    assert out.dtype == dtype and np.array_equal(out, a)
    assert np.array_equal(FuseViews("vote")([a, b]), b)


def test_ties_of_labels_go_to_the_lowest_value() -> None:
    for votes in itertools.product(range(3), repeat=3):
        out = FuseViews("vote")([np.full((1, 1, 1, 1), vote) for vote in votes])
        assert out.item() == majority(votes)


def test_ties_of_probabilities_go_to_the_highest_mean() -> None:
    views = [[0.5, 0.3, 0.2], [0.1, 0.5, 0.4], [0.0, 0.45, 0.55]]  # votes 0, 1, 2; mean highest for 1
    out = FuseViews("vote")([torch.tensor(view).reshape(3, 1, 1, 1) for view in views])
    assert out.shape == (1, 1, 1, 1) and out.dtype == torch.uint8 and out.item() == 1


def test_votes_weigh_more_than_the_mean() -> None:
    views = [[0.55, 0.45], [0.55, 0.45], [0.0, 1.0]]  # mean highest for 1, two votes for 0
    assert FuseViews("vote")([np.array(view).reshape(2, 1, 1, 1) for view in views]).item() == 0


def test_equal_votes_and_means_go_to_the_lower_class() -> None:
    views = [[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]]
    assert FuseViews("vote")([np.array(view).reshape(3, 1, 1, 1) for view in views]).item() == 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_votes_of_probabilities_by_brute_force(count: int, as_kind: Any) -> None:
    rng = np.random.default_rng(count)
    views = list(rng.dirichlet(np.ones(4), (count, 5, 6, 7)).transpose(0, 4, 1, 2, 3))
    out = np.asarray(FuseViews("vote")([as_kind(view) for view in views]))
    votes = np.stack([(np.argmax(views, 1) == k).sum(0) for k in range(4)])
    truth = np.where(votes == votes.max(0), np.mean(views, 0), -1).argmax(0)
    assert np.array_equal(out[0], truth)


def test_slices_of_three_views_in_their_own_memory_order() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (1, 7, 8, 9)).astype(np.uint8)
    orders = [(0, 1, 2, 3), (2, 0, 1, 3), (3, 0, 1, 2)]
    views = [torch.from_numpy(labels.transpose(o).copy()).permute(*np.argsort(o)) for o in orders]
    assert np.array_equal(FuseViews("vote")(views), labels)


def test_half_precision_is_summed_in_float32() -> None:
    view = torch.full((1, 2, 2, 2), 0.1, dtype=torch.bfloat16)
    out = FuseViews()([view, view, view])
    assert out.dtype == torch.float32 and torch.allclose(out, view.float())
    assert FuseViews()([view, view.double()]).dtype == torch.float64


def test_dictionary_writes_the_output_key() -> None:
    views = {name: MetaTensor(torch.rand(2, 3, 3, 3)) for name in ("sagittal", "coronal", "axial")}
    out = Compose([FuseViewsd(list(views), output_key="fused")])(views)
    assert set(out) == {*views, "fused"} and isinstance(out["fused"], MetaTensor)
    assert torch.allclose(out["fused"], torch.stack(list(views.values())).mean(0))
    assert all(out[name] is views[name] for name in views)
    one = FuseViewsd("all")({"all": torch.stack([v.as_tensor() for v in views.values()])})
    assert torch.allclose(one["all"], out["fused"].as_tensor())


def test_dictionary_fuses_the_views_that_there_are() -> None:
    fuse = FuseViewsd(["a", "b", "c"], output_key="fused", allow_missing_keys=True)
    assert fuse({"b": np.ones((1, 2, 2, 2)), "c": np.zeros((1, 2, 2, 2))})["fused"].max() == 0.5


def test_settings_that_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'mean' or 'vote'. Received: 'median'"):
        FuseViews("median")
    with pytest.raises(ConfigError, match="output_key is needed"):
        FuseViewsd(["a", "b"])


def test_volumes_that_are_refused() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        FuseViews()([np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 3))])
    with pytest.raises(ValueError, match="at least one"):
        FuseViews()([])
    with pytest.raises(ValueError, match=r"one dtype. Received: .*int64.*uint8"):
        FuseViews("vote")([np.zeros((1, 2, 2, 2), dtype) for dtype in ("uint8", "int64")])
    with pytest.raises(ValueError, match="whole numbers"):
        FuseViews("vote")([np.full((1, 2, 2, 2), 0.7)] * 3)
    with pytest.raises(ValueError, match=r"must be floats.*Labels need the shape \(1, X, Y, Z\)"):
        FuseViews("vote")([np.zeros((4, 4, 4), np.uint8)] * 3)
    moved = MetaTensor(torch.zeros(1, 2, 2, 2), affine=torch.diag(torch.tensor([1, 1, 2.0, 1])))
    with pytest.raises(ValueError, match="one grid"):
        FuseViews()([MetaTensor(torch.zeros(1, 2, 2, 2)), moved])
