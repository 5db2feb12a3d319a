from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from atso_monai.engine.record import RESULT, Result, hash_files, read_result, why_not_done, write_result


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A step folder that is done, with two artefact files and other files beside them."""
    for name in ("a b.nii.gz", "ä#%$.nii.gz", ".tmp-x.nii.gz", "log.txt"):
        (tmp_path / name).write_text(name)
    files = hash_files(tmp_path, "*.nii.gz")
    write_result(tmp_path, Result("labels/g1/f1", "key", files, 1.5, {"threads": 1}))
    return tmp_path


def test_artefacts_are_hashed_by_name(done: Path) -> None:
    result = read_result(done)
    assert result is not None
    expected = {n: hashlib.sha256(n.encode()).hexdigest() for n in ("a b.nii.gz", "ä#%$.nii.gz")}
    assert result.files == expected
    assert (result.makes, result.key, result.seconds, result.settings) == ("labels/g1/f1", "key", 1.5, {"threads": 1})


def test_the_record_of_untouched_files_holds(done: Path) -> None:
    assert why_not_done(done) == why_not_done(done, "key") == ""
    (done / "log.txt").write_text("the log is no artefact")
    assert why_not_done(done, "key") == ""


def test_a_step_without_record_is_not_done(done: Path, tmp_path: Path) -> None:
    assert why_not_done(tmp_path / "nowhere") == "not made yet"
    (done / RESULT).unlink()
    assert why_not_done(done, "key") == "not made yet"
    assert read_result(done) is None


def test_another_key(done: Path) -> None:
    assert why_not_done(done, "another") == "what it is made from changed"


def test_a_missing_file_is_named(done: Path) -> None:
    (done / "a b.nii.gz").unlink()
    assert why_not_done(done, "key") == "a b.nii.gz is missing"


@pytest.mark.parametrize("content", ["", "a b.nii.gX", "longer than it was"])
def test_a_changed_file_is_named(done: Path, content: str) -> None:
    (done / "a b.nii.gz").write_text(content)
    assert why_not_done(done, "key") == "a b.nii.gz is not as it was written"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "3", '"text"', '{"makes": "x"}', '{"unknown": 1}', "\udcff", '{"files": 3}']
)
def test_a_damaged_record_is_no_record(done: Path, content: str) -> None:
    (done / RESULT).write_text(content, encoding="utf-8", errors="surrogateescape")
    assert why_not_done(done, "key") == f"{RESULT} cannot be read"


def test_a_record_with_values_of_the_wrong_kind_is_no_record(done: Path) -> None:
    content = json.loads((done / RESULT).read_text(encoding="utf-8"))
    (done / RESULT).write_text(json.dumps({**content, "files": None}), encoding="utf-8")
    assert why_not_done(done, "key") == f"{RESULT} cannot be read"


def test_the_digest_covers_names_and_contents() -> None:
    one = Result("x", "k", {"a": "1", "b": "2"}, 0.0)
    assert one.digest == Result("y", "other", {"b": "2", "a": "1"}, 9.0, {"torch": "2"}).digest
    assert one.digest != Result("x", "k", {"a": "1", "c": "2"}, 0.0).digest
    assert one.digest != Result("x", "k", {"a": "1", "b": "3"}, 0.0).digest


def test_a_name_that_leads_out_of_the_folder_is_only_a_missing_file(done: Path) -> None:
    write_result(done, Result("x", "key", {"../nowhere": "00"}, 0.0))
    assert why_not_done(done, "key") == "../nowhere is missing"
