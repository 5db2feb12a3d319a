"""Predicted labels to NIfTI files on the grid of each case."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from atso_monai.errors import PrepareError
from atso_monai.prepare import probabilities_to_native, write_label


class LabelSaver:
    """Writes the prediction of each case as ``<id>.nii.gz`` on the case's own grid, with its own affine.

    The batch of the engine holds one case: ``id`` and ``placement`` beside the image; the output's ``pred`` holds
    class probabilities (1, C, X, Y, Z) on the training grid.

    Args:
        output_dir: folder for the files; made when missing.

    Raises:
        PrepareError: when a file of that name is there already: it may be the very image.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self._folder = Path(output_dir)

    def attach(self, engine: Engine) -> None:
        """Register on every iteration (one case each)."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save the case that was predicted last."""
        batch, output = engine.state.batch, engine.state.output
        path = self._folder / f"{batch['id']}.nii.gz"
        if path.exists():
            raise PrepareError(f"{path} is there already and is not replaced. Choose another output folder.")
        label = probabilities_to_native(output[CommonKeys.PRED][0], batch["placement"])
        write_label(path, label, batch["placement"])
