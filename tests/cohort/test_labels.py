from __future__ import annotations

import pytest

from atso_monai.cohort import merged_names, named_labels
from atso_monai.errors import CohortError


@pytest.mark.parametrize(
    ("names", "mapping", "expected"),
    [
        (None, None, ({0: "background", 1: "foreground"}, None)),
        ({"2": "b", "1": "a"}, None, ({0: "background", 1: "a", 2: "b"}, None)),
        ({0: "air", 1: "a"}, None, ({0: "air", 1: "a"}, None)),
        (None, {"1": 1, "2": "2", "3": 0}, ({0: "background", 1: "label 1", 2: "label 2"}, {1: 1, 2: 2, 3: 0})),
    ],
)
def test_names_and_map_of_a_cohort(names: object, mapping: object, expected: object) -> None:
    assert named_labels(names, mapping) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("names", "mapping"), [({"a": "b"}, None), (None, {1: "x"}), (["background"], None)])
def test_what_is_no_number_is_refused(names: object, mapping: object) -> None:
    with pytest.raises(CohortError, match=r"label_names|label_map\[1\]"):
        named_labels(names, mapping)  # type: ignore[arg-type]


def test_names_of_merged_classes() -> None:
    names = {"0": "background", "1": "pancreas", "2": "tumour"}

    assert merged_names(names, None) == {0: "background", 1: "pancreas", 2: "tumour"}
    assert merged_names(names, {1: 1, 2: 1}) == {0: "background", 1: "pancreas+tumour"}
    assert merged_names(names, {1: 0, 2: 1, 5: 2}) == {0: "background", 1: "tumour", 2: "value 5"}
