from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from atso_monai.checkpoint import FOLDER, CheckpointFolder
from atso_monai.errors import CheckpointError

WHOSE = {"key": "k", "torch": "2.13", "threads": 1}


def folder(step: Path, **changes: Any) -> CheckpointFolder:
    return CheckpointFolder(step, {**WHOSE, **changes})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A step folder with a snapshot and two checkpoints one after the other."""
    (tmp_path / "snapshot.pt").write_bytes(b"early weights")
    for iteration in (10, 20):
        folder(tmp_path).save({"weights": torch.full((3,), float(iteration))}, iteration, 100)
    return tmp_path


def test_the_last_one_is_there_and_alone(saved: Path) -> None:
    found = folder(saved).load()
    assert found is not None
    record, state = found
    assert (record.iteration, record.total) == (20, 100)
    assert state["weights"].tolist() == [20.0] * 3
    assert sorted(p.name for p in (saved / FOLDER).iterdir()) == ["checkpoint.json", "state-00000020.pt"]
    assert folder(saved).keep() == (FOLDER, "snapshot.pt")


def test_nothing_is_no_problem(tmp_path: Path) -> None:
    assert (folder(tmp_path).problem(), folder(tmp_path).load(), folder(tmp_path).keep()) == ("", None, ())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"key": "other"}, "what it is made from changed"),
        ({"torch": "2.14"}, "it was made with torch 2.13, now 2.14"),
        ({"threads": 2}, "it was made with threads 1, now 2"),
    ],
)
def test_one_of_another_step_is_named_and_not_used(saved: Path, changes: dict[str, Any], problem: str) -> None:
    other = folder(saved, **changes)
    assert other.problem() == problem
    assert other.load() is None
    assert other.keep() == ()


@pytest.mark.parametrize("name", [f"{FOLDER}/state-00000020.pt", "snapshot.pt"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_damage_is_named_and_not_used(saved: Path, name: str, damage: str) -> None:
    file = saved / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-5] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    word = "missing" if damage == "gone" else "not as it was written"
    assert folder(saved).problem() == f"{file.name} is {word}"
    assert folder(saved).load() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"file": "x"}'])
def test_a_damaged_record(saved: Path, content: str) -> None:
    (saved / FOLDER / "checkpoint.json").write_text(content)
    assert folder(saved).problem() == "checkpoint.json is missing or cannot be read"
    assert folder(saved).load() is None


@pytest.mark.parametrize("when", ["torch.save", "atso_monai.checkpoint.folder.write_json"])
def test_stopped_while_writing_the_one_before_counts(saved: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(when, full)
    with pytest.raises(OSError, match="No space"):
        folder(saved).save({"weights": torch.zeros(3)}, 30, 100)
    found = folder(saved).load()
    assert found is not None
    assert found[0].iteration == 20
    assert folder(saved).keep() == (FOLDER, "snapshot.pt")
    assert sorted(p.name for p in (saved / FOLDER).iterdir()) == ["checkpoint.json", "state-00000020.pt"]


class Harmful:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm"),))


def test_code_in_a_checkpoint_is_not_run(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atso_monai.files import hash_file

    monkeypatch.chdir(saved)
    file, record = saved / FOLDER / "state-00000020.pt", saved / FOLDER / "checkpoint.json"
    with file.open("wb") as stream:
        pickle.dump(Harmful(), stream)
    record.write_text(json.dumps({**json.loads(record.read_text()), "sha256": hash_file(file)}))
    with pytest.raises(CheckpointError, match="can be read safely"):
        folder(saved).load()
    assert not (saved / "harm").exists()
    assert not (saved / FOLDER).exists()
