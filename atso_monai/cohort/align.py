"""Which way round a label lies on its scan, where the header of the label cannot be trusted.

Tools that made label files of NIH Pancreas-CT wrote the voxels in an order of their own, and headers that fit them or
do not. Every flip of the label is a candidate. Two witnesses are heard: the affine of the label file, and the scan
itself: a label that lies right covers soft tissue that stands out from the fat around it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform
from scipy.ndimage import maximum_filter

from atso_monai.cohort.geometry import corner_distance
from atso_monai.errors import CohortError

Array = npt.NDArray[Any]

TISSUE = (0.0, 200.0)
"""HU of a pancreas in any contrast phase, noise included."""

_PLAUSIBLE = 0.7  # least share of the label's voxels inside TISSUE
_LEAST_CONTRAST = 15.0  # HU, where the scan decides alone
_CLEAR = 0.7  # a rival with more than this share of the best one's contrast makes the choice ambiguous
_SHELL_MM = 3.0
_CLIP = (-200.0, 250.0)  # HU, so that air and bone do not outweigh everything else


_EVIDENCE = ("apart", "median", "share", "contrast")


@dataclass(frozen=True)
class Candidate:
    """One way to lay the stored label on the scan, and what speaks for it.

    Attributes:
        orientation: for each stored axis of the label, the scan's axis that it becomes, and -1 where it is flipped.
        apart: largest distance in mm between corners of scan and label by their affines.
        median: HU inside the label.
        share: of the label's voxels with HU inside :data:`TISSUE`, 0 to 1.
        contrast: mean HU inside the label minus that of the 3 mm around it.
    """

    orientation: tuple[tuple[int, int], ...]
    apart: float
    median: float
    share: float
    contrast: float

    @property
    def name(self) -> str:
        """In words, such as "flipped along axes 0, 1"."""
        flips = [str(axis) for axis, sign in sorted(self.orientation) if sign < 0]
        order = [axis for axis, _ in self.orientation]
        swapped = "" if order == [0, 1, 2] else f"axes in the order {order}, "
        return swapped + (f"flipped along axes {', '.join(flips)}" if flips else "as stored")

    @property
    def plausible(self) -> bool:
        """Whether the voxels below the label can be a pancreas."""
        return self.share >= _PLAUSIBLE and self.contrast > 0


@dataclass(frozen=True)
class Alignment:
    """The choice: the candidate, why, whether the label's header agrees, and all candidates."""

    chosen: Candidate
    reason: str
    header_agrees: bool
    candidates: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """For the record beside the aligned label."""
        rows = [{"name": c.name, **{key: round(getattr(c, key), 3) for key in _EVIDENCE}} for c in self.candidates]
        return {
            "chosen": self.chosen.name,
            "reason": self.reason,
            "header_agrees": self.header_agrees,
            "candidates": rows,
        }


def align_label(image: Array, affine: Array, label: Array, label_affine: Array) -> Alignment:
    """Find how a label lies on its scan.

    The label's affine decides where it puts the label on the scan's grid and the scan does not clearly speak for
    another way; else the scan decides, if one way stands out.

    Args:
        image: (X, Y, Z) in HU.
        affine: of the scan, 4x4, RAS mm.
        label: (X, Y, Z) as stored; all but 0 is the organ.
        label_affine: of the label file, 4x4, RAS mm.

    Raises:
        CohortError: when the shapes do not fit, the label is empty, no candidate lies on soft tissue, or several do
            and neither witness tells which one is right.
    """
    if not np.any(label):
        raise CohortError("the label is empty")
    spacing = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
    found = []
    for way in _orientations(image.shape, affine, label.shape, label_affine):
        there = label_affine @ inv_ornt_aff(way, label.shape)
        found.append(_judged(image, affine, spacing, apply_orientation(label, way), there, way))
    if not found:
        raise CohortError(f"the label has shape {label.shape}, the scan {image.shape}: they do not belong together")
    ranked = sorted(found, key=lambda c: (not c.plausible, -c.contrast))
    by_header = min(found, key=lambda c: c.apart)
    return _choice(ranked, by_header, agrees=by_header.apart <= float(spacing.max()))


def turned(label: Array, candidate: Candidate) -> Array:
    """The label (a view) on the scan's grid."""
    return np.asarray(apply_orientation(label, np.array(candidate.orientation)))


def _choice(ranked: Sequence[Candidate], by_header: Candidate, agrees: bool) -> Alignment:
    best = ranked[0]
    rivals = [c for c in ranked[1:] if c.plausible and c.contrast > _CLEAR * best.contrast]
    if not best.plausible:
        raise CohortError(f"no way to lay the label on the scan covers soft tissue: {_evidence(ranked[:3])}")
    if agrees and by_header.plausible and (by_header is best or by_header in rivals):
        reason = "the label's affine puts it on the scan's grid, and the scan does not contradict"
        return Alignment(by_header, reason, True, tuple(ranked))
    if rivals or best.contrast < _LEAST_CONTRAST:
        header = f"{by_header.name}, {by_header.apart:.1f} mm off the scan's grid"
        raise CohortError(
            f"the scan does not tell how the label lies on it: {_evidence([best, *rivals])}; "
            f"its header ({header}) does not settle it"
        )
    reason = f"by the scan alone: the label's affine ({by_header.name}, {by_header.apart:.1f} mm off) does not fit it"
    return Alignment(best, reason, False, tuple(ranked))


def _orientations(
    shape: Sequence[int], affine: Array, label_shape: Sequence[int], label_affine: Array
) -> Iterator[Array]:
    """All flips that fit ``shape``, of the axes in the stored order and in the one that the label's affine asks for."""
    asked = ornt_transform(io_orientation(label_affine), io_orientation(affine))
    orders = {(0, 1, 2), tuple(int(axis) for axis in asked[:, 0])}
    for order in sorted(orders):
        if tuple(shape) == tuple(label_shape[order.index(axis)] for axis in range(3)):
            for signs in itertools.product((1, -1), repeat=3):
                yield np.array(list(zip(order, signs, strict=True)))


def _judged(image: Array, affine: Array, spacing: Array, label: Array, label_affine: Array, ornt: Array) -> Candidate:
    reach = [max(1, round(_SHELL_MM / s)) for s in spacing]
    box = _bounds(label, reach)
    values, mask = np.clip(image[box], *_CLIP).astype(np.float32), label[box] != 0
    shell = maximum_filter(mask, size=[2 * r + 1 for r in reach]) & ~mask
    inside = image[box][mask]
    return Candidate(
        orientation=tuple((int(axis), int(sign)) for axis, sign in ornt),
        apart=corner_distance(affine, label_affine, image.shape),
        median=float(np.median(inside)),
        share=float(((inside > TISSUE[0]) & (inside < TISSUE[1])).mean()),
        contrast=float(values[mask].mean() - values[shell].mean()) if shell.any() else 0.0,
    )


def _bounds(label: Array, reach: Sequence[int]) -> tuple[slice, ...]:
    """The box around the label, wider by ``reach`` voxels."""
    box = []
    for axis, more in enumerate(reach):
        hit = np.flatnonzero(label.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(0, int(hit[0]) - more), int(hit[-1]) + 1 + more))
    return tuple(box)


def _evidence(candidates: Sequence[Candidate]) -> str:
    return "; ".join(
        f"{c.name} ({c.median:.0f} HU inside, {c.share:.0%} of it soft tissue, {c.contrast:.0f} HU above its "
        "surroundings)"
        for c in candidates
    )
