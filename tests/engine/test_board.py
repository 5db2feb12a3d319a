from __future__ import annotations

import time
from pathlib import Path

import pytest

from atso_monai.engine.board import FILE, Board, Posted, read_board
from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result
from atso_monai.files import write_json

A, B = Step("model/a", "train"), Step("model/b", "train")


def test_what_happens_is_posted(tmp_path: Path) -> None:
    board = Board(tmp_path, 3)
    assert read_board(tmp_path) == Posted(3)
    record = {"belongs_to": {}, "file": "", "sha256": "", "iteration": 1, "total": 4, "beside": {}}
    write_json(tmp_path / "model/b/checkpoint/checkpoint.json", record)
    for step in (A, B):
        board.kept(step)
        board.started(step, "")
    running = read_board(tmp_path).running
    assert [running[name][1] for name in ("model/a", "model/b")] == [0, 0.25]
    assert abs(time.time() - running["model/a"][0]) < 5
    board.finished(A, Result("model/a", "k", {}, 1.0))
    board.failed(B, "no memory")
    assert read_board(tmp_path) == Posted(3, {}, {"model/b": "no memory"})
    board.started(A, "")
    board.close()
    assert read_board(tmp_path).running == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"workers": 1, "running": {"a": 1}, "failed": {}}'])
def test_a_damaged_board_says_nothing(tmp_path: Path, content: str) -> None:
    assert read_board(tmp_path) == Posted()
    (tmp_path / FILE).write_text(content)
    assert read_board(tmp_path) == Posted()


def test_a_folder_that_is_gone_stops_no_run(tmp_path: Path) -> None:
    Board(Path("/proc/nowhere"), 1).close()
