from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from atso_monai.files import read_json
from atso_monai.handlers import Progress, read_progress


def run(path: Path, interval: float, epochs: int = 2) -> list[dict[str, float]]:
    """What the file held after each of the iterations."""
    seen: list[dict[str, float]] = []
    engine = Engine(lambda _, batch: [{"loss": torch.tensor(batch)}])
    Progress(path, interval).attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: seen.append(read_progress(path)))
    engine.run([3.0, 2.0, 1.0], max_epochs=epochs)
    return seen


def test_progress_counts_over_epochs(tmp_path: Path) -> None:
    seen = run(tmp_path / "p.json", interval=0)
    assert [(one["done"], one["total"]) for one in seen] == [(n, 6) for n in range(1, 7)]
    assert [one["loss"] for one in seen] == [3.0, 2.0, 1.0] * 2


def test_the_end_is_written_however_long_the_interval(tmp_path: Path) -> None:
    run(tmp_path / "p.json", interval=1000)
    assert read_json(tmp_path / "p.json") == {"done": 6, "total": 6, "loss": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["p.json"]


def test_the_path_is_kept_when_the_working_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = Progress("p.json", 0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    engine = Engine(lambda _, batch: None)
    progress.attach(engine)
    engine.run([1], max_epochs=1)
    assert read_progress(tmp_path / "p.json") == {"done": 1, "total": 1, "loss": None}


@pytest.mark.parametrize("content", [None, "", "{", "[]", "3", '{"done": 1}'])
def test_what_cannot_be_read_is_no_progress(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "p.json").write_text(content)
    assert read_progress(tmp_path / "p.json") == {}
