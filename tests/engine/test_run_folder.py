from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine.run_folder import LOCK, RUN, held, place_cache, require_space, settle
from atso_monai.errors import RunChangedError, RunFolderError
from atso_monai.files import read_json


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else "" for p in folder.rglob("*")}


SETTINGS: dict[str, Any] = {
    "views": ("axial", "coronal"),
    "seed": 0,
    "overrides": {"train": {"epoch_length": 2, "map": {1: 2}}, "inference": {}},
    "none": None,
}


def start(run_dir: Path, settings: dict[str, Any] = SETTINGS) -> None:
    with held(run_dir):
        settle(run_dir, settings, {"plan": {"folds": 2}})


def test_a_new_run_records_its_settings(tmp_path: Path) -> None:
    start(tmp_path / "deep" / "run #1 100% $x ä")
    content = read_json(tmp_path / "deep" / "run #1 100% $x ä" / RUN)
    assert content["plan"] == {"folds": 2}
    assert content["settings"]["overrides"]["train"] == {"epoch_length": 2, "map": {"1": 2}}


def test_the_same_settings_continue(tmp_path: Path) -> None:
    start(tmp_path)
    start(tmp_path)
    start(tmp_path, {**SETTINGS, "views": ["axial", "coronal"]})


def test_changed_settings_are_refused_and_listed(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "result.json").write_text("{}")  # a step was finished
    before = tree(tmp_path)
    changed = {**SETTINGS, "seed": 1, "new": "x", "overrides": {"train": {"epoch_length": 3, "map": {1: 2}}}}
    with pytest.raises(RunChangedError) as caught:
        start(tmp_path, changed)
    assert caught.value.changed == ["new", "overrides.inference", "overrides.train.epoch_length", "seed"]
    assert "  seed: was 0, now 1\n" in str(caught.value)
    assert "  overrides.train.epoch_length: was 2, now 3\n" in str(caught.value)
    assert "another output folder" in str(caught.value)
    assert tree(tmp_path) == before


def test_settings_may_change_while_nothing_is_finished(tmp_path: Path) -> None:
    start(tmp_path)
    start(tmp_path, {**SETTINGS, "seed": 1})
    assert '"seed": 1' in (tmp_path / RUN).read_text()


def test_generated_scans_of_a_refused_run_do_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "phantom.json").write_text("{}")
    start(tmp_path)
    assert (tmp_path / RUN).is_file()


@pytest.mark.parametrize("name", ["thesis.docx", ".hidden", "model"])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(RunFolderError, match=f"is not empty .*'{name}'.*Nothing was written"):
        start(tmp_path)
    assert tree(tmp_path) == {name: "precious"}


def test_a_cache_folder_that_holds_something_else_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.docx").write_text("precious")
    with pytest.raises(RunFolderError, match="is not empty"):
        start(tmp_path)
    assert tree(tmp_path) == {"cache": "", "cache/thesis.docx": "precious"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunFolderError, match="is a file"):
        start(tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        with pytest.raises(RunFolderError, match="Choose another output folder"):
            start(path)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    for content in ("{", "[]", "{}"):
        (tmp_path / RUN).write_text(content)
        with pytest.raises(RunFolderError, match="is damaged"):
            start(tmp_path)


@pytest.mark.parametrize("exists", [True, False])
def test_a_refusal_before_the_run_leaves_the_folder_as_it_was(tmp_path: Path, exists: bool) -> None:
    run_dir = tmp_path / "run"
    if exists:
        run_dir.mkdir()
    with pytest.raises(ValueError), held(run_dir):
        (run_dir / "cache" / "facts").mkdir(parents=True)
        raise ValueError
    assert run_dir.exists() == exists
    assert tree(tmp_path) == ({"run": ""} if exists else {})


def test_a_run_that_fails_keeps_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError), held(tmp_path):
        settle(tmp_path, {}, {})
        (tmp_path / "cache").mkdir()
        raise ValueError
    assert (tmp_path / RUN).is_file()
    assert (tmp_path / "cache").is_dir()


def test_the_second_engine_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with held(tmp_path):
        for _ in range(2):  # the first refusal must not take the lock away
            with pytest.raises(RunFolderError, match="Another engine works in"), held(tmp_path):
                pass
            assert (tmp_path / LOCK).is_file()
        settle(tmp_path, {}, {})
    with held(tmp_path):
        pass


def test_the_cache_may_be_elsewhere(tmp_path: Path) -> None:
    run_dir, other = tmp_path / "run", tmp_path / "other cache"
    run_dir.mkdir()
    place_cache(run_dir, None)
    assert (run_dir / "cache").is_dir()
    place_cache(run_dir, other)
    assert other.is_dir()
    assert (run_dir / "cache").read_text(encoding="utf-8").strip() == str(other)
    place_cache(run_dir, None)
    assert (run_dir / "cache").is_dir()


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "there", 1)
    with pytest.raises(RunFolderError, match=r"not enough space .*about 1000000000.0 GB needed.*another disk"):
        require_space(tmp_path / "not" / "there", 10**18)
