"""Predicted labels to files on the grid of each case."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from atso_monai.errors import PrepareError, one_of
from atso_monai.picture_file import write_picture
from atso_monai.prepare import probabilities_to_native, write_label


class LabelSaver:
    """Writes the prediction of each case as ``<id><suffix>`` on the case's own grid, with its own affine.

    The batch of the engine holds one case: ``id`` and ``placement`` beside the image; the output's ``pred`` holds
    class probabilities on the training grid, (1, C, X, Y, Z) of a volume or (1, C, H, W) of a picture.

    Args:
        output_dir: folder for the files; made when missing.
        suffix: ``.nii.gz``, or ``.png`` for pictures.

    Raises:
        ConfigError: for another suffix.
        PrepareError: when a file of that name is there already: it may be the very image.
    """

    def __init__(self, output_dir: str | Path, suffix: str = ".nii.gz") -> None:
        one_of("suffix", suffix, (".nii.gz", ".png"))
        self._folder, self._suffix = Path(output_dir), suffix

    def attach(self, engine: Engine) -> None:
        """Register on every iteration (one case each)."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save the case that was predicted last."""
        batch, output = engine.state.batch, engine.state.output
        path = self._folder / f"{batch['id']}{self._suffix}"
        if path.exists():
            raise PrepareError(f"{path} is there already and is not replaced. Choose another output folder.")
        scores = output[CommonKeys.PRED][0]
        if self._suffix == ".png":
            write_picture(path, probabilities_to_native(scores[..., None], batch["placement"])[..., 0])
        else:
            write_label(path, probabilities_to_native(scores, batch["placement"]), batch["placement"])
