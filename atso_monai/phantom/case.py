"""One phantom scan with its label: a person from a seed, sampled on any grid, seen by a scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_components

from atso_monai.errors import ConfigError
from atso_monai.phantom.acquisition import Scanner, acquire, draw_acquisition
from atso_monai.phantom.anatomy import anatomy_layers
from atso_monai.phantom.grid import Array, Grid, sample_grid
from atso_monai.phantom.layers import Canvas, Layer
from atso_monai.phantom.patient import draw_patient, part_rng

SHAPE = (96, 96, 40)
FIELD_OF_VIEW = (360.0, 360.0, 240.0)  # mm, RAS: dome of the liver to the iliac crests
_FINEST = 4.0  # mm: thicker voxels are sampled more than once along that axis
_SLAB = 1_500_000  # samples painted at once: bounds the memory of large scans


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """A phantom scan.

    Attributes:
        image: (X, Y, Z) int16, HU, RAS.
        label: (X, Y, Z) uint8, 1 where at least half of the voxel is pancreas, in one piece.
        affine: (4, 4) voxel to RAS mm.
        tissues: (X, Y, Z) uint8, the tissue in the middle of the voxel by its number in ``TISSUES``.
        phase: contrast phase, 0 none, 1 late arterial, 2 portal venous.
    """

    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]
    tissues: NDArray[np.uint8]
    phase: float


def phantom_case(
    seed: int,
    *,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] | None = None,
    scanner: Scanner | None = None,
) -> PhantomCase:
    """Make an abdominal CT with a pancreas label.

    Args:
        seed: at least 0. The same seed is the same person on every grid; other ranges of the scanner change that
            person's size, fat and contrast phase.
        shape: voxels along the RAS axes, before the scanner's slice thickness.
        spacing: voxel size in mm, before the scanner's jitter and slice thickness; where None,
            ``FIELD_OF_VIEW / shape``.
        scanner: where None, ``Scanner()``.

    Raises:
        ConfigError: for a negative seed, or a shape or spacing that no scan has.
    """
    scanner = scanner or Scanner()
    shape, spacing = _scan_grid(seed, shape, spacing, scanner)
    patient = draw_patient(seed, phase=scanner.phase, size=scanner.size, fat=scanner.fat)
    hu, tissues, pancreas = _sample(anatomy_layers(patient), shape, spacing)
    rng = part_rng(seed, "acquisition")
    image = acquire(hu, spacing, draw_acquisition(scanner, rng), rng)
    label = _main_component(pancreas >= 0.5)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * spacing
    return PhantomCase(image, label, affine, tissues, patient.phase)


def _scan_grid(
    seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float] | None, scanner: Scanner
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape and spacing after the scanner's jitter and slice thickness."""
    if seed < 0 or len(shape) != 3 or min(shape) < 8 or not _is_spacing(spacing):
        raise ConfigError(
            "A phantom needs a seed of 0 or more, three sizes of at least 8 voxels and three positive spacings in mm. "
            f"Received: seed={seed}, shape={shape}, spacing={spacing}. Leave spacing out to cover an abdomen."
        )
    sides = np.divide(FIELD_OF_VIEW, shape) if spacing is None else np.asarray(spacing, float)
    plane, between = 1 + scanner.jitter * part_rng(seed, "spacing").uniform(-1, 1, 2)
    x, y, z = np.round(sides * (plane, plane, between * scanner.thickness), 4)
    return (shape[0], shape[1], max(8, round(shape[2] / scanner.thickness))), (float(x), float(y), float(z))


def _is_spacing(spacing: tuple[float, ...] | None) -> bool:
    return spacing is None or (len(spacing) == 3 and all(0 < side < np.inf for side in spacing))


def _sample(
    layers: list[Layer], shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> tuple[Array, NDArray[np.uint8], Array]:
    """Mean HU, middle tissue and pancreas share of every voxel (X, Y, Z each), painted slab by slab."""
    finer = tuple(int(np.ceil(side / _FINEST)) for side in spacing)
    grid = sample_grid(shape, spacing, finer)
    hu, tissue, pancreas = np.empty(shape, np.float32), np.empty(shape, np.uint8), np.empty(shape, np.float32)
    depth = max(1, _SLAB // (grid.shape[0] * grid.shape[1] * finer[2]))
    for start in range(0, shape[2], depth):
        stop = min(start + depth, shape[2])
        canvas = Canvas.blank(Grid(grid.x, grid.y, grid.z[start * finer[2] : stop * finer[2]], grid.edge))
        canvas.paint(layers)
        hu[..., start:stop] = _mean(canvas.hu, finer)
        pancreas[..., start:stop] = _mean(canvas.pancreas, finer)
        tissue[..., start:stop] = canvas.tissue[tuple(slice(f // 2, None, f) for f in finer)]
    return hu, tissue, pancreas


def _mean(samples: Array, finer: tuple[int, ...]) -> Array:
    """Mean over the samples of each voxel."""
    x, y, z = (n // f for n, f in zip(samples.shape, finer, strict=True))
    means: Array = samples.reshape(x, finer[0], y, finer[1], z, finer[2]).mean(axis=(1, 3, 5))
    return means


def _main_component(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The largest face-connected piece of ``mask``, as 0 and 1."""
    pieces, count = label_components(mask)
    if count <= 1:
        return mask.astype(np.uint8)
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    kept: NDArray[np.uint8] = (pieces == largest).astype(np.uint8)
    return kept
