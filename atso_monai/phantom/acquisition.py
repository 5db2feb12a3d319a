"""The scanner: who lies in it, when it scans, and what its reconstruction does to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from atso_monai.errors import ConfigError
from atso_monai.phantom.grid import Array


@dataclass(frozen=True)
class Scanner:
    """Settings from which every case draws; a pair is the range of a uniform draw.

    Attributes:
        phase: contrast phase, 0 none, 1 late arterial, 2 portal venous.
        noise: standard deviation in HU of a 6 mm slice in the middle of the body.
        blur: standard deviation in mm of the reconstruction kernel in the slice: small is sharp.
        jitter: relative spread of the voxel size between cases: each of (in plane, between slices) is drawn
            from 1 - jitter to 1 + jitter.
        thickness: factor on the slice thickness; there are so many fewer slices.
        offset: HU added to everything (calibration).
        gain: factor on the HU scale, about water.
        size: factor on all lengths of the patient.
        fat: subcutaneous fat at the belly in mm.
    """

    phase: tuple[float, float] = (1.0, 2.0)
    noise: tuple[float, float] = (6.0, 11.0)
    blur: tuple[float, float] = (0.7, 1.2)
    jitter: float = 0.04
    thickness: float = 1.0
    offset: tuple[float, float] = (-4.0, 4.0)
    gain: tuple[float, float] = (0.98, 1.02)
    size: tuple[float, float] = (0.94, 1.08)
    fat: tuple[float, float] = (8.0, 28.0)

    def __post_init__(self) -> None:
        ranges = {name: getattr(self, name) for name in ("phase", "noise", "blur", "offset", "gain", "size", "fat")}
        bad = {name: pair for name, pair in ranges.items() if len(pair) != 2 or not pair[0] <= pair[1]}
        bad |= {name: pair for name, pair in ranges.items() if name != "offset" and min(pair) < 0}
        bad |= {} if 0 <= self.jitter < 0.5 else {"jitter": self.jitter}
        bad |= {} if 0.2 <= self.thickness <= 5 else {"thickness": self.thickness}
        if bad:
            raise ConfigError(
                "A scanner's ranges are (lowest, highest), only the offset below 0; jitter is in [0, 0.5), thickness "
                f"in [0.2, 5]. Received: {bad}. Give ranges of that kind."
            )


SHIFTED = Scanner(
    phase=(0.0, 0.9),
    noise=(16.0, 26.0),
    blur=(1.8, 2.6),
    thickness=1.25,
    offset=(4.0, 14.0),
    gain=(0.93, 0.98),
    size=(0.98, 1.08),
    fat=(20.0, 36.0),
)
"""Another hospital: early phase, low dose, smooth kernel, thick slices, heavier patients."""


@dataclass(frozen=True)
class Acquisition:
    """One scan's draws from a :class:`Scanner`; units as there."""

    noise: float
    blur: float
    offset: float
    gain: float


def draw_acquisition(scanner: Scanner, rng: np.random.Generator) -> Acquisition:
    """Draw noise, kernel and calibration of one scan."""
    return Acquisition(
        *(float(rng.uniform(*limits)) for limits in (scanner.noise, scanner.blur, scanner.offset, scanner.gain))
    )


def acquire(hu: Array, spacing: tuple[float, ...], scan: Acquisition, rng: np.random.Generator) -> NDArray[np.int16]:
    """What the scanner makes of true CT values.

    Args:
        hu: (X, Y, Z) true values in HU, one per voxel.
        spacing: (3,) voxel size in mm.
        scan: the draws of this scan.
        rng: source of the noise.

    Returns:
        (X, Y, Z) int16 HU in -1024 .. 3071.
    """
    image = _blurred(hu, [scan.blur / side for side in spacing[:2]])
    image += _noise(hu.shape, spacing, scan, rng)
    image *= np.float32(scan.gain)
    image += np.float32(scan.offset)
    result: NDArray[np.int16] = np.rint(np.clip(image, -1024, 3071)).astype(np.int16)
    return result


def _blurred(values: Array, sigmas: list[float]) -> Array:
    """New array, Gaussian along the first axes with ``sigmas`` in voxels."""
    out = values.copy()
    for axis, sigma in enumerate(sigmas):
        if sigma > 0.1:
            gaussian_filter1d(out, sigma, axis=axis, output=out, mode="nearest", truncate=3.0)
    return out


def _noise(shape: tuple[int, ...], spacing: tuple[float, ...], scan: Acquisition, rng: np.random.Generator) -> Array:
    """Band-passed noise as of filtered back projection, with faint streaks across the wide side of the body."""
    grain = [max(scan.blur, 0.45 * side) / side for side in spacing[:2]]
    white = rng.standard_normal(shape, dtype=np.float32)
    noise = _blurred(white, grain)
    noise -= np.float32(0.8) * _blurred(noise, [2.0 * g for g in grain])
    noise /= noise.std()
    streaks = _blurred(white, [22.0 / spacing[0], 0.5])
    noise += np.float32(0.35) / streaks.std() * streaks
    level = scan.noise * np.sqrt(6.0 / spacing[2])
    return noise * (np.float32(level) * _attenuation(shape, spacing))


def _attenuation(shape: tuple[int, ...], spacing: tuple[float, ...]) -> Array:
    """(X, Y, 1) share of the noise: 1 in the middle of the body, where fewest photons arrive, 0.5 in the corners."""
    x, y = (((np.arange(n) - (n - 1) / 2) * d) ** 2 for n, d in zip(shape[:2], spacing[:2], strict=True))
    share = 0.5 + 0.5 * np.exp(-(x[:, None] / 140**2 + y[None, :] / 100**2) / 2)
    result: Array = share[..., None].astype(np.float32)
    return result
