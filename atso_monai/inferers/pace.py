"""How a coarse-to-fine prediction is computed: exactly as released, or fast."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atso_monai.errors import ConfigError
from atso_monai.inferers.precision import check_precision


@dataclass(frozen=True)
class Pace:
    """Settings that change the time a prediction takes, and its result only in the last digits.

    Attributes:
        batch_size: most slices in one forward pass.
        precision: number type of the coarse networks, see :mod:`~atso_monai.inferers.precision`.
        order: views in the order in which they are computed.
        prune: the coarse round leaves out what cannot matter: slices of the last view, and repetitions of blank ones.
        waste: in a fine round, how many times more pixels a batch of one size may have than its slices' own boxes.
        channels_last: memory layout of the networks' weights and input.
        levels: the coarse score of a view is rounded to this many steps. The release stores it in 8 bits, and networks
            whose rounds do not settle can make a different organ out of a different last digit.
    """

    batch_size: int
    precision: str
    order: tuple[str, ...]
    prune: bool
    waste: float
    channels_last: bool
    levels: int = 255

    def laid_out(self, image: torch.Tensor) -> torch.Tensor:
        """``image`` (N, C, H, W) in the memory layout that the networks get."""
        return image.contiguous(memory_format=torch.channels_last) if self.channels_last else image


EXACT = Pace(1, "float32", ("sagittal", "coronal", "axial"), False, 1.0, False)
"""As OrganSegRSTN does: slice by slice, each on its own box."""


def fast_pace(batch_size: int, precision: str) -> Pace:
    """Batches of boxes of similar size, in reduced precision; the view that is pruned is the coronal one.

    Abdominal organs take up the smallest part of their scan from front to back.

    Raises:
        ConfigError: for a batch size below 1 or an unknown precision.
    """
    check_precision(precision)
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1. Received: {batch_size!r}.")
    return Pace(batch_size, precision, ("axial", "sagittal", "coronal"), True, 1.1, True)
