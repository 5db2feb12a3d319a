"""Cases as pictures in three views, ready to stand in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from atso_monai.cohort import Case
from atso_monai.errors import AtsoError, PrepareError
from atso_monai.prepare.choose import CT_BELOW
from atso_monai.review.overlay import busiest_slice, canonical, draw_view
from atso_monai.review.read_run import read_labels
from atso_monai.volume_file import read_volume

SOFT_TISSUE = (-160.0, 240.0)
"""Window for CT, in Hounsfield units."""
VIEWS = ((2, "axial"), (1, "coronal"), (0, "sagittal"))
HEIGHT = 300
MARGIN = 45.0
"""What is shown around the structure, in mm."""


@dataclass(frozen=True)
class View:
    """One slice.

    Attributes:
        name: of the view.
        source: data URI.
        width: in pixels.
        height: in pixels.
        alt: what is to be seen, in words.
    """

    name: str
    source: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Picture:
    """A case in three views.

    Attributes:
        case: its id.
        title: why it is shown.
        numbers: what is known of it.
        views: axial, coronal, sagittal; empty where a file cannot be read.
        problem: why there are no views.
    """

    case: str
    title: str
    numbers: str
    views: tuple[View, ...] = ()
    problem: str = ""


def case_picture(case: Case, label: Path, title: str, numbers: str, label_map: Mapping[int, int] | None) -> Picture:
    """Draw a case; files that cannot be read or do not fit give a picture that says so.

    Args:
        case: with its image, and truth or label where that is known.
        label: the predicted label, in class indices.
        title: why the case is shown.
        numbers: what is known of it.
        label_map: class index of each value in truth files.
    """
    try:
        return Picture(case.id, title, numbers, _views(case, label, label_map))
    except AtsoError as error:
        return Picture(case.id, title, numbers, problem=str(error))


def _views(case: Case, label: Path, label_map: Mapping[int, int] | None) -> tuple[View, ...]:
    scan, spacing = canonical(*read_volume(case.image))
    predicted, _ = canonical(*read_labels(label))
    file = case.truth or case.label
    true = canonical(*read_labels(file, label_map))[0] if file is not None else np.zeros_like(predicted)
    if not scan.shape == predicted.shape == true.shape:
        raise PrepareError(f"{label} has shape {predicted.shape}, the image {scan.shape}: not the same grid.")
    window, box = _window(scan), _around((true != 0) | (predicted != 0), spacing)
    scan, predicted, true = scan[box], predicted[box], true[box]
    main = true if true.any() else predicted
    return tuple(
        _view(case.id, name, draw_view(scan, true, predicted, spacing, axis, index, window, HEIGHT), file, main)
        for axis, name in VIEWS
        for index in [busiest_slice(main, axis)]
    )


def _around(mask: npt.NDArray[np.bool_], spacing: Sequence[float]) -> tuple[slice, ...]:
    """The box around a mask, :data:`MARGIN` wider at each side; everything where the mask is empty."""
    if not mask.any():
        return tuple(slice(None) for _ in spacing)
    found = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    wider = [int(np.ceil(MARGIN / step)) for step in spacing]
    return tuple(slice(max(0, int(f[0]) - w), int(f[-1]) + 1 + w) for f, w in zip(found, wider, strict=True))


def _window(scan: npt.NDArray[Any]) -> tuple[float, float]:
    """Soft tissue for CT, else all but the darkest and brightest half per cent."""
    if float(scan.min()) < CT_BELOW:
        return SOFT_TISSUE
    low, high = np.percentile(scan[::2, ::2, ::2], [0.5, 99.5])
    return float(low), float(max(high, low + 1e-6))


def _view(case: str, name: str, pixels: npt.NDArray[np.uint8], truth: Path | None, shown: npt.NDArray[Any]) -> View:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=86, subsampling=0)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    drawn = "truth red, prediction green, overlap yellow" if truth is not None else "prediction green, truth not known"
    empty = "" if shown.any() else "; nothing is labelled"
    return View(name, source, pixels.shape[1], pixels.shape[0], f"Case {case}, {name} view: {drawn}{empty}")


def legend_words(classes: Sequence[str]) -> str:
    """What the colours mean."""
    words = "Truth red, prediction green, overlap yellow"
    more = ", another class magenta" if len(classes) > 1 else ""
    return f"{words}{more}; the slice of each view with most truth (without truth: most prediction)."
