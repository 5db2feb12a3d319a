"""Checks of volume files, one at a time and side by side."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.geometry import corner_distance, in_order_of
from atso_monai.cohort.problem import Problem
from atso_monai.picture_file import has_palette, is_picture
from atso_monai.volume_file import VolumeFacts

_HEADER_BYTES = 560


@dataclass(frozen=True)
class Use:
    """A file in its part: ``kind`` is "image", "label" or "truth"; ``label_map`` gives the classes of its values."""

    case: str
    role: str
    kind: str
    path: Path
    label_map: dict[int, int] | None = None

    def problem(self, what: str, way_out: str) -> Problem:
        """A problem of this case and file."""
        return Problem(self.case, str(self.path), what, way_out)


def volume_problems(use: Use, facts: VolumeFacts) -> Iterator[Problem]:
    """What is wrong with a file whatever it is for: axes, grid, NaN."""
    if is_picture(use.path):
        yield from _picture_problems(use, facts)
    elif len(facts.shape) != 3 or 0 in facts.shape:
        what = f"the {use.kind} must have 3 axes of at least one voxel. Received: shape {facts.shape}"
        yield use.problem(what, "Take one volume (one channel, one point in time) out of the file.")
    elif fault := _grid_fault(use.path, facts):
        yield use.problem(f"the {use.kind} has {fault}", "Write the file again with the scanner's spacing and affine.")
    if not facts.finite:
        what = f"the {use.kind} has voxels that are NaN or infinite"
        yield use.problem(what, "Replace these voxels by a value that means background, such as -1024 in CT.")


def _picture_problems(use: Use, facts: VolumeFacts) -> Iterator[Problem]:
    if use.kind == "image":
        palette = has_palette(use.path)
        if palette or facts.shape[2:] not in ((), (3,)):
            what = f"the image must be RGB or grey. Received: {'a palette' if palette else facts.shape}"
            yield use.problem(what, "Convert it to RGB, without transparency.")
    elif len(facts.shape) != 2:
        what = f"the {use.kind} must have one channel of class indices. Received: shape {facts.shape}"
        yield use.problem(what, "Take the file with indices, not the coloured one.")


def has_grid(facts: VolumeFacts) -> bool:
    """Whether a volume has three axes and an affine that tells places apart."""
    return len(facts.shape) == 3 and 0 not in facts.shape and not _affine_fault(facts)


def _grid_fault(path: Path, facts: VolumeFacts) -> str:
    declared = declared_spacing(path)
    if declared and not all(np.isfinite(v) and v > 0 for v in declared):
        return f"a spacing in its header that is not positive: {declared} mm"
    return _affine_fault(facts)


def _affine_fault(facts: VolumeFacts) -> str:
    affine = np.asarray(facts.affine, dtype=float)
    if not np.isfinite(affine).all():
        return f"an affine that is not finite: {_rows(affine)}"
    if not all(v > 0 for v in facts.spacing):
        return f"a spacing that is not positive: {facts.spacing} mm"
    if abs(np.linalg.det(affine[:3, :3])) < 1e-3 * np.prod(facts.spacing):
        return f"a singular affine (two axes run the same way): {_rows(affine)}"
    return ""


def declared_spacing(path: Path) -> tuple[float, ...]:
    """Spacing in mm as the bytes of a NIfTI header say; empty for other formats.

    nibabel replaces a spacing of zero by 1 and drops the sign of a negative one as it reads, so no other place shows.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return ()
    with gzip.open(path) if name.endswith(".gz") else open(path, "rb") as stream:
        head = stream.read(_HEADER_BYTES)
    for order in "<", ">":
        size = int(np.frombuffer(head, f"{order}i4", 1)[0])
        if size == 348:
            return tuple(float(v) for v in np.frombuffer(head, f"{order}f4", 3, offset=80))
        if size == 540:
            return tuple(float(v) for v in np.frombuffer(head, f"{order}f8", 3, offset=112))
    return ()


def label_problems(use: Use, facts: VolumeFacts, cohort: Cohort) -> Iterator[Problem]:
    """What is wrong with a label's values."""
    if facts.values is None:
        if facts.finite:
            what = f"the {use.kind} has values from {facts.minimum:g} to {facts.maximum:g} that are no class indices"
            way_out = "A label holds whole numbers, at most 256 different ones: check that the file is a label."
            yield use.problem(what, way_out)
        return
    own = {index: index for index in (*cohort.labels, cohort.ignore) if index is not None}
    known = use.label_map if use.label_map is not None else own
    if undeclared := [value for value in facts.values if value != 0 and value not in known]:
        what = f"the {use.kind} has the values {_listed(undeclared)}, declared are {_listed(sorted({0, *known}))}"
        yield use.problem(what, "Declare every value by label_names, or give it a class by label_map (0 drops it).")
    elif use.role == "labelled" and not any(known.get(value, 0) not in _nothing(cohort) for value in facts.values):
        what = f"the label is empty: it has only the values {_listed(facts.values)}"
        yield use.problem(what, "A labelled case must show at least one structure: draw it, or take the case out.")


def _nothing(cohort: Cohort) -> tuple[int | None, ...]:
    """Classes that show no structure: the background, or, where pixels can be ignored, only these."""
    return (0,) if cohort.ignore is None else (cohort.ignore,)


def pair_problems(label: Use, facts: VolumeFacts, image: VolumeFacts, tolerance_mm: float) -> Iterator[Problem]:
    """Where a label (or truth) does not lie on the grid of its image."""
    if _stored_otherwise(facts, image, tolerance_mm):
        orders = ["".join(nib.orientations.aff2axcodes(np.array(one.affine))) for one in (facts, image)]
        what = f"the {label.kind} is stored as {orders[0]}, its image as {orders[1]}: the same grid in another order"
        way_out = "atso_monai.cohort.reorder_label(image, label, to) writes a copy in the order of the image."
        yield label.problem(what, way_out)
    elif facts.grid != image.grid:
        what = f"the {label.kind} has shape {facts.grid}, its image {image.grid} ({image.path})"
        yield label.problem(what, "Find the label that belongs to the image, or resample it to the image's grid.")
    elif has_grid(facts) and has_grid(image):
        apart = corner_distance(facts.affine, image.affine, image.shape)
        if apart > tolerance_mm:
            what = (
                f"the {label.kind} lies up to {apart:.3g} mm (allowed: {tolerance_mm:g}) off its image ({image.path})"
            )
            yield label.problem(what, _REPAIR)


def _stored_otherwise(facts: VolumeFacts, image: VolumeFacts, tolerance_mm: float) -> bool:
    """Whether a label lies on the grid of its image, but its axes run otherwise."""
    if not (has_grid(facts) and has_grid(image) and len(facts.grid) == len(image.grid) == 3):
        return False
    transform, shape, affine = in_order_of(facts.grid, facts.affine, image.affine)
    same = shape == image.grid and corner_distance(affine, image.affine, image.grid) <= tolerance_mm
    return same and not np.array_equal(transform, [[0, 1], [1, 1], [2, 1]])


_REPAIR = (
    "Same shape, other affine: look at both in a viewer. Where only the header is wrong, "
    "atso_monai.cohort.copy_geometry(image, label, to) writes a corrected copy; nothing is repaired unasked."
)


def _listed(values: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")


def _rows(affine: np.ndarray) -> str:
    return str([[round(float(v), 4) for v in row] for row in affine[:3]])
