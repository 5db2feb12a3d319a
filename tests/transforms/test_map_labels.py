from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, MapLabelValue

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms import MapLabels, MapLabelsd, _mapping

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mapping, "_CHUNK", 40)


def extremes(dtype: str) -> list[int]:
    info = np.iinfo(dtype)
    return [int(info.min), 0, 1, int(info.max) - 1, int(info.max)]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_extreme_values_of_every_integer_are_exact(dtype: str, as_kind: Any) -> None:
    values = extremes(dtype)
    table = dict(zip(values, reversed(values), strict=True))
    labels = np.random.default_rng(0).choice(np.array(values, dtype), (1, 5, 6, 7))
    out = np.asarray(MapLabels(table)(as_kind(labels)))
    assert out.dtype == dtype
    assert out.ravel().tolist() == [table[value] for value in labels.ravel().tolist()]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_that_hold_whole_numbers(dtype: str, as_kind: Any) -> None:
    labels = np.array([[-3.0, 0, 2048, 5]], dtype)
    out = np.asarray(MapLabels({-3: 1, 0: -1, 2048: 7}, others="keep")(as_kind(labels)))
    assert out.dtype == dtype and out.tolist() == [[1, -1, 7, 5]]


def test_a_key_between_two_floats_matches_neither() -> None:
    labels = np.array([2.0**24], np.float32)
    assert MapLabels({2**24 + 1: 5}, others="keep")(labels).tolist() == [2.0**24]
    assert MapLabels({2**53 + 1: 5}, others="keep")(np.array([2**53, 2**53 + 1])).tolist() == [2**53, 5]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_no_chains(dtype: str) -> None:
    labels = np.array([1, 2, 3], dtype)
    assert MapLabels({1: 2, 2: 1, 3: 3})(labels).tolist() == [2, 1, 3]
    assert MapLabels({1: 2, 2: 3, 3: 4})(labels).tolist() == [2, 3, 4]


@pytest.mark.parametrize("seed", range(5))
def test_monai_gives_the_same_on_small_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = {i: int(rng.integers(0, 9)) for i in range(6)}
    labels = torch.from_numpy(rng.integers(0, 6, (1, *rng.integers(1, 9, 3))))
    truth = MapLabelValue(list(table), list(table.values()), dtype=np.int64)(labels.clone())
    assert torch.equal(MapLabels(table)(labels), truth)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64"])
def test_others(dtype: str) -> None:
    labels = np.array([0, 1, 9, 7], dtype)
    assert MapLabels({1: 5}, others="keep")(labels).tolist() == [0, 5, 9, 7]
    assert MapLabels({1: 5}, others=3)(labels).tolist() == [3, 5, 3, 3]
    with pytest.raises(PrepareError, match=r"lacks: 7(\.0)?, 9(\.0)?\. Known: 0, 1"):
        MapLabels({0: 0, 1: 5})(labels)


def test_many_unknown_values_are_cut_short_and_nan_is_one() -> None:
    with pytest.raises(PrepareError, match=r"lacks: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, \.\.\."):
        MapLabels({0: 0})(np.arange(200, dtype=np.int32))
    with pytest.raises(PrepareError, match="lacks: nan"):
        MapLabels({0: 0})(np.array([0, np.nan]))


def test_a_mapping_that_cannot_occur_in_the_dtype_is_no_match() -> None:
    labels = np.array([0, 44, 255], np.uint8)
    assert MapLabels({300: 1, -1: 2}, others="keep")(labels).tolist() == [0, 44, 255]


def test_dtype_of_the_result(as_kind: Any) -> None:
    labels = np.array([[0.0, 1, 2]])
    out = MapLabels({0: 0, 1: 3, 2: 200}, dtype=np.uint8)(as_kind(labels))
    assert np.asarray(out).dtype == np.uint8 and np.asarray(out).tolist() == [[0, 3, 200]]
    assert MapLabels({0: 1}, "keep", torch.int16)(torch.zeros(1)).dtype == torch.int16
    assert MapLabels({0: 1}, "keep")(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("labels", [np.array(3, np.uint8), np.zeros((0, 3), int), np.broadcast_to(np.uint8(3), (4, 5))])
def test_odd_shapes(labels: np.ndarray) -> None:
    out = MapLabels({3: 4})(labels)
    assert out.shape == labels.shape and np.all(out == 4)


def test_bool() -> None:
    labels = np.array([True, False])
    assert MapLabels({0: 1, 1: 0})(labels).tolist() == [False, True]
    assert MapLabels({0: 0, 1: 2}, dtype="uint8")(labels).tolist() == [2, 0]


def test_values_that_the_result_cannot_hold() -> None:
    with pytest.raises(ConfigError, match="dtype uint8 cannot hold the new label 300"):
        MapLabels({1: 300})(np.array([1], np.uint8))
    with pytest.raises(ConfigError, match="dtype uint8 cannot hold the new label -1"):
        MapLabels({1: 1}, others=-1)(np.array([1], np.uint8))
    with pytest.raises(PrepareError, match="dtype uint8 cannot hold the kept value -7"):
        MapLabels({1: 1}, "keep", "uint8")(np.array([1, -7]))
    with pytest.raises(PrepareError, match=r"dtype uint8 cannot hold the kept value 0.5"):
        MapLabels({1: 1}, "keep", "uint8")(np.array([1, 0.5]))


def test_mappings_that_are_refused() -> None:
    for bad in ({}, {1.5: 2}, {"a": 1}, {True: 1}, {1: None}, {1: 2, "1": 3}):
        with pytest.raises(ConfigError, match="mapping must"):
            MapLabels(bad)
    with pytest.raises(ConfigError, match=r"others must be 'error', 'keep' or a whole number. Received: 'drop'"):
        MapLabels({1: 1}, others="drop")  # type: ignore[arg-type]
    with pytest.raises(PrepareError, match="dtype complex128"):
        MapLabels({1: 1})(np.zeros(2, complex))


def test_keys_of_a_json_file() -> None:
    assert MapLabels({"0": 0, "-1": 5})(np.array([-1, 0])).tolist() == [5, 0]


def test_inverted() -> None:
    forth = MapLabels({0: 0, 1: 500, 2: -3}, dtype="int16")
    labels = np.random.default_rng(0).integers(0, 3, (1, 4, 4, 4))
    assert np.array_equal(forth.inverted()(forth(labels)), labels)
    with pytest.raises(ConfigError, match="no way back"):
        MapLabels({1: 1, 2: 1}).inverted()


def test_dictionary_maps_several_keys() -> None:
    data = {"label": np.array([[1, 2]]), "pred": torch.tensor([[2, 1]])}
    out = Compose([MapLabelsd(["label", "pred"], {1: 2, 2: 1})])(data)
    assert out["label"].tolist() == [[2, 1]] and out["pred"].tolist() == [[1, 2]]
