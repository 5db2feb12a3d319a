"""Normalisations of image values, applied when slices are read, so that changing one needs no new preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from atso_monai.errors import ConfigError
from atso_monai.prepare.statistics import Statistics


class Intensity(Protocol):
    """What :class:`~atso_monai.prepare.VolumeStore` takes as ``intensity``."""

    def apply_(self, values: Tensor, statistics: Statistics) -> Tensor:
        """Normalise a float32 tensor of any shape in place, and return it.

        Args:
            values: in the units of the file.
            statistics: of the whole case.
        """


@dataclass(frozen=True)
class Window:
    """Map ``low`` to 0 and ``high`` to 1, values beyond them to 0 and 1; the case's statistics play no part.

    Attributes:
        low: lower end, in the units of the file (HU for CT).
        high: upper end.

    Raises:
        ConfigError: unless ``low`` is smaller than ``high``.

    Example:
        The abdominal window of RSTN: ``Window(-100, 240)``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"A window must have low < high. Received: low={self.low}, high={self.high}.")

    def apply_(self, values: Tensor, statistics: Statistics) -> Tensor:
        """See :meth:`Intensity.apply_`; the result lies in [0, 1]."""
        return values.sub_(self.low).div_(self.high - self.low).clamp_(0.0, 1.0)


@dataclass(frozen=True)
class ZScore:
    """Subtract the case's mean and divide by its standard deviation; a case of one single value becomes 0."""

    def apply_(self, values: Tensor, statistics: Statistics) -> Tensor:
        """See :meth:`Intensity.apply_`; the result has mean 0 and standard deviation 1 over the whole case."""
        if statistics.minimum == statistics.maximum:
            return values.zero_()
        return values.sub_(statistics.mean).div_(statistics.std)
