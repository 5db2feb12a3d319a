"""Steps as runs of TensorBoard: a folder of event files each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from atso_monai.engine.plan import Step


class TensorBoardRuns:
    """Tracks steps with TensorBoard.

    A step that is taken up is written once more from its first iteration on, which replaces what was there.

    Args:
        folder: gets one folder per step, with the step's name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def knows(self, step: Step, key: str) -> bool:
        """Whether there is something of the step."""
        folder = self._folder / step.makes
        return folder.is_dir() and any(file.is_file() for file in folder.iterdir())

    def begin(self, step: Step, key: str) -> None:
        """Nothing is written before there is a number."""

    def losses(self, step: Step, points: Sequence[tuple[int, float]]) -> None:
        """Add iterations and losses."""
        writer = self._writer(step, points[0][0])
        for number, loss in points:
            writer.add_scalar("loss", loss, number)
        writer.flush()

    def metrics(self, step: Step, values: Mapping[str, float]) -> None:
        """Add single numbers, at step 0."""
        writer = self._writer(step, 0)
        for name, value in values.items():
            writer.add_scalar(name, value, 0)

    def end(self, step: Step, state: str) -> None:
        """Close the files of a step."""
        if (writer := self._writers.pop(step.makes, None)) is not None:
            writer.close()

    def _writer(self, step: Step, first: int) -> SummaryWriter:
        if step.makes not in self._writers:
            self._writers[step.makes] = SummaryWriter(str(self._folder / step.makes), purge_step=first)
        return self._writers[step.makes]
