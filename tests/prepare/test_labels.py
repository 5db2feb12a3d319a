from __future__ import annotations

import numpy as np
import pytest

from atso_monai.errors import PrepareError
from atso_monai.prepare.labels import class_of_value, map_labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_each_value_becomes_its_class(dtype: type) -> None:
    array = np.random.default_rng(0).integers(0, 5, (4, 3, 2)).astype(dtype)
    mapping = {1: 1, 2: 1, 3: 7, 4: 255}
    expected = np.vectorize({0: 0, **mapping}.get)(array)
    found = map_labels(array, class_of_value((0, 1, 2, 3, 4), mapping))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


def test_values_far_apart() -> None:
    array = np.array([[[-5, 0, 10**6]]])
    assert map_labels(array, class_of_value((-5, 0, 10**6), {-5: 2, 10**6: 1})).tolist() == [[[2, 0, 1]]]


def test_without_map_classes_stay_and_the_input_too() -> None:
    array = np.array([[[0, 255]]], np.int32)
    found = map_labels(array, class_of_value((0, 255), None))
    found[...] = 0
    assert array.tolist() == [[[0, 255]]]


def test_keys_from_json_and_a_background_that_is_named() -> None:
    assert class_of_value((0, 1, 2), {"1": 1, "2": 0}) == {0: 0, 1: 1, 2: 0}
    assert class_of_value((0, 1), {0: 1, 1: 0}) == {0: 1, 1: 0}


@pytest.mark.parametrize(
    ("values", "mapping", "message"),
    [
        (None, None, "not integers"),
        ((0, 256), None, "holds 256.*Give a label_map"),
        ((-1, 0), None, "holds -1"),
        ((0, 1, 3, 4), {1: 1}, "holds 3, 4, which label_map {1: 1}"),
        ((0, 1), {1: 300}, "holds 1, which label_map"),
    ],
)
def test_values_without_a_class(values: tuple[int, ...] | None, mapping: dict[int, int] | None, message: str) -> None:
    with pytest.raises(PrepareError, match=message):
        class_of_value(values, mapping)
