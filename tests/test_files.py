from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import pytest

from atso_monai import files


def test_atomic_path_puts_the_new_content_in_place(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "a.nii.gz"
    with files.atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith(".nii.gz")  # writers choose the format by it
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_content_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert files._umask() == before


@pytest.mark.parametrize("name", ["x" * 200 + ".json", "a b#c%d$e.json", "脑.json", "no suffix", ".hidden"])
def test_awkward_names(tmp_path: Path, name: str) -> None:
    files.write_json(tmp_path / name, {"ä": [1, None]})
    assert files.read_json(tmp_path / name) == {"ä": [1, None]}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a", 1)
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a", {"x": object()})
    assert files.read_json(tmp_path / "a") == 1


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 21) + 5])
def test_hash_file_is_sha256(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert files.hash_file(tmp_path / "a") == expected
    assert files._digest(io.BytesIO(content)) == expected


def test_hash_json_knows_values_not_key_order() -> None:
    assert files.hash_json({"a": 1, "b": [2, "ä"]}) == files.hash_json({"b": [2, "ä"], "a": 1})
    assert files.hash_json({"a": 1}) != files.hash_json({"a": 2})
    text = json.dumps({"a": "ä"}, ensure_ascii=False)
    assert files.hash_json({"a": "ä"}) == hashlib.sha256(text.encode()).hexdigest()


def test_paths_that_monai_rewrote_are_found_again(tmp_path: Path) -> None:
    assert files.as_given("/data/set::1/x") == Path("/data/set#1/x")
    (tmp_path / "set::1").mkdir()
    assert files.as_given(str(tmp_path / "set::1")) == tmp_path / "set::1"
    assert files.as_given(Path("a::b")) == Path("a::b")
    assert files.as_given("a#b") == Path("a#b")
