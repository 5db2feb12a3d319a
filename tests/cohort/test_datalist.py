from __future__ import annotations

import json
from pathlib import Path

import pytest

from atso_monai.cohort import Cohort
from atso_monai.errors import CohortError


def _content() -> dict:
    return {
        "name": "n",
        "labels": {"0": "background", "1": "liver"},
        "labelled": [{"id": "a", "image": "a.nii", "label": "a_seg.nii"}],
        "reference": [{"id": "b", "image": "b.nii"}],
        "test": [],
        "folds": [["b"]],
    }


def test_a_list_written_by_hand_loads_without_fingerprint_and_label_map() -> None:
    cohort = Cohort.from_json(_content(), "/data")

    assert cohort.labelled[0].label == Path("/data/a_seg.nii")
    assert cohort.label_map is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"referense": []}, "unknown key 'referense'. Did you mean 'reference'?"),
        ({"labels": None}, "cohort, labels: must be an object"),
        ({"labels": {"one": "liver"}}, "labels, key 'one': must be a whole number. Received: 'one'."),
        ({"labels": {"1": "a", "01": "b"}}, "labels: two keys are the same number"),
        ({"label_map": {"1": True}}, "label_map[1]: must be a whole number. Received: True."),
        ({"labelled": {"id": "a"}}, "cohort, labelled: must be a list"),
        ({"labelled": ["a.nii"]}, "labelled[0]: must be a JSON object with id, image. Received: 'a.nii'."),
        ({"labelled": [{"id": "a", "image": "i", "lable": "x"}]}, "labelled[0]: unknown key 'lable'. Did you mean"),
        ({"reference": [{"id": "a", "image": "i", "label": "x"}]}, "reference[0]: unknown key 'label'."),
        ({"test": [{"id": "a"}]}, "test[0]: missing key 'image'."),
        ({"test": [{"id": 7, "image": "i"}]}, "test[0], id: must be text. Received: 7."),
        ({"test": [{"id": "a", "image": None}]}, "test[0]: id and image must be text"),
        ({"folds": [["b", 3]]}, "folds[0]: must be text. Received: 3."),
        ({"name": 3}, "cohort, name: must be text. Received: 3."),
    ],
)  # fmt: skip
def test_malformed_content_is_named(change: dict, message: str) -> None:
    with pytest.raises(CohortError) as caught:
        Cohort.from_json(_content() | change, "/data")
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["name", "labels", "labelled", "reference", "test", "folds"])
def test_missing_keys_are_named(key: str) -> None:
    content = _content()
    del content[key]
    with pytest.raises(CohortError, match=f"missing key '{key}'"):
        Cohort.from_json(content, "/data")


def test_no_file_no_json_no_object(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"Cannot read the cohort file .*none\.json"):
        Cohort.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"name": ')
    with pytest.raises(CohortError, match=r"bad\.json is no JSON text: .*line 1"):
        Cohort.load(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text(json.dumps([1]))
    with pytest.raises(CohortError, match=r"list\.json: must be a JSON object.*Received: \[1\]"):
        Cohort.load(tmp_path / "list.json")


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CohortError, match=r"Cannot write .*cohort\.json"):
        Cohort.from_json(_content(), "/data").save(tmp_path / "file" / "cohort.json")
