from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from atso_monai.handlers import LossCurve, read_losses


def trained(path: Path, iterations: int, start: int = 0, fail_at: int | None = None) -> None:
    """A run whose loss at iteration n is 1 / n."""

    def step(engine: Engine, batch: object) -> list[dict[str, torch.Tensor]]:
        if engine.state.iteration == fail_at:
            raise RuntimeError("no")
        return [{"loss": torch.tensor(1 / engine.state.iteration)}]

    engine = Engine(step)
    if start:
        engine.state.iteration, engine.state.epoch, engine.state.max_epochs = start, 0, 1
        engine.state.epoch_length = iterations
    LossCurve(path, interval=0.0).attach(engine)
    engine.run(range(iterations), max_epochs=1, epoch_length=iterations)


def test_every_iteration_is_there(tmp_path: Path) -> None:
    file = tmp_path / "lösses #1.csv"
    trained(file, 4)
    assert read_losses(file) == [(n, pytest.approx(1 / n)) for n in (1, 2, 3, 4)]


def test_a_training_that_starts_anew_replaces_it(tmp_path: Path) -> None:
    trained(tmp_path / "a.csv", 6)
    trained(tmp_path / "a.csv", 2)
    assert [n for n, _ in read_losses(tmp_path / "a.csv")] == [1, 2]


def test_one_that_is_taken_up_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    with pytest.raises(RuntimeError):
        trained(file, 6, fail_at=5)
    with file.open("a") as half:
        half.write("5,0.")
    trained(file, 6, start=3)  # the last checkpoint was before the failure
    assert [n for n, _ in read_losses(file)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "text", [None, "", "iteration,loss\n", "iteration,loss\n3", "iteration,loss\n3,0.5", "x\ny,z\n"]
)
def test_nothing_whole_is_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    assert read_losses(tmp_path / "a.csv") == []
