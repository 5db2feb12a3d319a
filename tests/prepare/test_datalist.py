from __future__ import annotations

import json
from pathlib import Path

import pytest

from atso_monai.errors import PrepareError
from atso_monai.prepare import load_datalist


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a #1 $x%" / "list.json"
    file.parent.mkdir()
    elsewhere = str(tmp_path / "b.nii.gz")
    items = [
        {"image": "i/a.nii.gz", "label": "l/a.nii.gz", "label_map": {"2": 1}},
        {"id": "given", "image": elsewhere, "more": 3},
    ]
    file.write_text(json.dumps(items))
    first, second = load_datalist(str(file))
    assert first == {
        "id": "a",
        "image": str(file.parent / "i/a.nii.gz"),
        "label": str(file.parent / "l/a.nii.gz"),
        "label_map": {"2": 1},
    }
    assert second == {"id": "given", "image": elsewhere, "more": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "Cannot read the datalist"),
        ('{"training": [], "test": []}', "an object with keys training, test"),
        ('[{"image": "a.nii"}, {"label": "b.nii"}]', "case 2 of"),
        ("[3]", "case 1 of"),
    ],
)
def test_lists_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(PrepareError, match=message) as caught:
        load_datalist(tmp_path / "list.json")
    assert str(tmp_path) in str(caught.value)


def test_a_folder_stands_for_its_volumes_and_a_volume_for_itself(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.mha", "._b.nii.gz", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    a, b = {"id": "a", "image": str(tmp_path / "a.mha")}, {"id": "b", "image": str(tmp_path / "b.nii.gz")}
    assert load_datalist(tmp_path) == (a, b)
    assert load_datalist(tmp_path / "b.nii.gz") == (b,)
    with pytest.raises(PrepareError, match="has no volume files"):
        load_datalist(tmp_path / "empty")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="Cannot read the datalist"):
        load_datalist(tmp_path / "no.json")
