from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from atso_monai.engine import Engine

pytestmark = pytest.mark.slow


def test_a_forecast_tries_real_steps_and_leaves_no_trace(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "run", epochs={"first": 1, "later": 3})
    found = engine.forecast(seconds=0)
    plan = engine.plan()
    assert set(found.seconds) == {step.makes for step in plan.steps}
    assert all(seconds > 0 for seconds in found.seconds.values())
    first, later = (next(s for s in plan.steps if s.kind == "train" and s.generation == g) for g in ("0", "1"))
    assert found.seconds[later.makes] > found.seconds[first.makes]
    assert found.disk > 0 and found.cache > 0
    assert not (tmp_path / "run").exists()


def test_a_training_of_two_ranks_is_tried_as_one(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    settings = {"strategy": "supervised", "views": ["axial"], "executor": "inline", "devices": ["cpu", "cpu"]}
    engine = make_engine(tmp_path / "run", **settings, ranks=2)
    found = engine.forecast(seconds=0)
    assert all(found.seconds[step.makes] > 0 for step in engine.plan().steps)
    assert found.memory > 1e8
    assert not (tmp_path / "run").exists()
