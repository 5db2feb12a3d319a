"""A run that is tracked makes what it would make without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine import Engine, Run
from atso_monai.engine.board import Posted, read_board
from atso_monai.engine.plan import Step
from atso_monai.errors import ConfigError

pytestmark = pytest.mark.slow


class Witness:
    def __init__(self) -> None:
        self.curves: dict[str, list[int]] = {}
        self.scores: dict[str, float] = {}
        self.ends: dict[str, str] = {}

    def knows(self, step: Step, key: str) -> bool:
        return False

    def begin(self, step: Step, key: str) -> None:
        assert len(key) == 64

    def losses(self, step: Step, points: Sequence[tuple[int, float]]) -> None:
        self.curves.setdefault(step.makes, []).extend(number for number, _ in points)

    def metrics(self, step: Step, values: Mapping[str, float]) -> None:
        self.scores.update(values)

    def end(self, step: Step, state: str) -> None:
        self.ends[step.makes] = state


def test_a_tracked_run(
    finished: Run, make_engine: Callable[..., Engine], hashes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Witness()
    monkeypatch.setattr("atso_monai.engine.engine.sinks", lambda *_: {"it": lambda: witness})
    run = make_engine(tmp_path / "run", strategy="supervised").run()
    made, other = hashes(run.run_dir), hashes(finished.run_dir)
    assert {name: made[name] for name in made if name.startswith("model")} == {
        name: other[name] for name in ("model/g0/axial", "model/g0/sagittal")
    }
    assert witness.curves == {"model/g0/axial": [1, 2], "model/g0/sagittal": [1, 2]}
    assert set(witness.ends.values()) == {"done"}
    assert witness.ends.keys() == made.keys()
    assert 0 <= witness.scores["dsc/test/all/foreground"] <= 1
    assert read_board(run.run_dir) == Posted(1)


def test_a_tracker_that_cannot_be_used_is_told_before_work_starts(
    make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        make_engine(tmp_path / "run", mlflow=tmp_path).run()
    assert not (tmp_path / "run").exists()
