"""With TensorBoard's own reader as the witness."""

from __future__ import annotations

from pathlib import Path

import pytest

from atso_monai.engine.plan import Step

pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra tensorboard)")

from atso_monai.engine.track_tensorboard import TensorBoardRuns

TRAIN, SCORE = Step("model/g0/axial", "train"), Step("metrics/g0", "score")


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_one_folder_per_step_taken_up_without_doubles(tmp_path: Path) -> None:
    folder = tmp_path / "tb #1 ä"
    first = TensorBoardRuns(folder)
    first.begin(TRAIN, "k")
    assert not first.knows(TRAIN, "k")
    first.losses(TRAIN, [(1, 0.5), (2, 0.25)])
    first.losses(TRAIN, [(3, 0.125)])
    first.end(TRAIN, "stopped")
    second = TensorBoardRuns(folder)
    assert second.knows(TRAIN, "k")
    second.begin(TRAIN, "k")
    second.losses(TRAIN, [(1, 0.5), (2, 0.75), (3, 0.25), (4, 1.0)])
    second.metrics(TRAIN, {"seconds": 3.0})
    second.metrics(SCORE, {"dsc/test/final/ä": 0.75})
    for step in (TRAIN, SCORE):
        second.end(step, "done")
    assert scalars(folder / TRAIN.makes, "loss") == [(1, 0.5), (2, 0.75), (3, 0.25), (4, 1.0)]
    assert scalars(folder / TRAIN.makes, "seconds") == [(0, 3.0)]
    assert scalars(folder / SCORE.makes, "dsc/test/final/ä") == [(0, 0.75)]
