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
from atso_monai.review.overlay import AGAINST_TRUTH, OPACITY, Colour, against_truth, canonical, draw_view
from atso_monai.review.read_run import read_labels
from atso_monai.review.report.class_colours import class_colours
from atso_monai.volume_file import read_volume

SOFT_TISSUE = (-160.0, 240.0)
"""Window for CT, in Hounsfield units."""
VIEWS = ((2, "axial"), (1, "coronal"), (0, "sagittal"))
HEIGHT = 300
STRONG = 0.7
"""Opacity of classes: their colours must look as in the legend on dark and on bright tissue."""
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
        rows: axial, coronal, sagittal; with several classes and known truth a row of truth, then one of the prediction.
            Empty where a file cannot be read.
        problem: why there are no views.
    """

    case: str
    title: str
    numbers: str
    rows: tuple[tuple[View, ...], ...] = ()
    problem: str = ""


def case_picture(
    case: Case, label: Path, title: str, numbers: str, label_map: Mapping[int, int] | None, classes: Mapping[int, str]
) -> Picture:
    """Draw a case; files that cannot be read or do not fit give a picture that says so.

    Args:
        case: with its image, and truth or label where that is known.
        label: the predicted label, in class indices.
        title: why the case is shown.
        numbers: what is known of it.
        label_map: class index of each value in truth files.
        classes: name of each class index, without the background.
    """
    try:
        return Picture(case.id, title, numbers, _rows(case, label, label_map, classes))
    except AtsoError as error:
        return Picture(case.id, title, numbers, problem=str(error))


@dataclass(frozen=True)
class _Row:
    """What is painted onto a scan, and what it is called."""

    name: str
    labels: npt.NDArray[Any]
    colours: Mapping[int, Colour]
    words: str
    opacity: float = OPACITY


def _rows(
    case: Case, label: Path, label_map: Mapping[int, int] | None, classes: Mapping[int, str]
) -> tuple[tuple[View, ...], ...]:
    scan, spacing = canonical(*read_volume(case.image))
    predicted, _ = canonical(*read_labels(label))
    file = case.truth or case.label
    true = canonical(*read_labels(file, label_map))[0] if file is not None else np.zeros_like(predicted)
    if not scan.shape == predicted.shape == true.shape:
        raise PrepareError(f"{label} has shape {predicted.shape}, the image {scan.shape}: not the same grid.")
    window, box = _window(scan), _around((true != 0) | (predicted != 0), spacing)
    scan, predicted, true = scan[box], predicted[box], true[box]
    main = true if true.any() else predicted
    slices = [(axis, name, fullest_slice(main, axis)) for axis, name in VIEWS]
    return tuple(
        tuple(
            _view(
                case.id,
                name,
                row,
                draw_view(scan, row.labels, row.colours, spacing, axis, at, window, HEIGHT, row.opacity),
                main,
            )
            for axis, name, at in slices
        )
        for row in _painted(true if file is not None else None, predicted, classes)
    )


def _painted(
    true: npt.NDArray[Any] | None, predicted: npt.NDArray[Any], classes: Mapping[int, str]
) -> tuple[_Row, ...]:
    """One class: truth against prediction in one row. Several: each in its colour, truth in a row of its own."""
    unknown = "" if true is not None else ", truth not known"
    if len(classes) < 2:
        if true is None:
            return (_Row("", 2 * (predicted != 0), AGAINST_TRUTH, f"prediction green{unknown}"),)
        words = "truth red, prediction green, overlap yellow"
        return (_Row("", against_truth(true, predicted), AGAINST_TRUTH, words),)
    colours = class_colours(classes)
    made = _Row("prediction", predicted, colours, f"prediction, each class in its colour{unknown}", STRONG)
    return (made,) if true is None else (_Row("truth", true, colours, "truth, each class in its colour", STRONG), made)


def fullest_slice(labels: npt.NDArray[Any], axis: int) -> int:
    """The slice that holds most of all classes, small ones counting like large ones; the middle one of none."""
    others = tuple(a for a in range(3) if a != axis)
    shares = np.zeros(labels.shape[axis])
    for value in np.unique(labels[labels != 0]):
        counts = np.count_nonzero(labels == value, axis=others)
        shares += counts / counts.sum()
    return int(shares.argmax()) if shares.any() else len(shares) // 2


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


def _view(case: str, name: str, row: _Row, pixels: npt.NDArray[np.uint8], shown: npt.NDArray[Any]) -> View:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=86, subsampling=0)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    empty = "" if shown.any() else "; nothing is labelled"
    title = f"{row.name}, {name}" if row.name else name
    return View(title, source, pixels.shape[1], pixels.shape[0], f"Case {case}, {name} view: {row.words}{empty}")


def legend_words(classes: Mapping[int, str]) -> str:
    """What the colours mean; several classes have a legend beside it."""
    if len(classes) < 2:
        words = "Truth red, prediction green, overlap yellow"
        return f"{words}; the slice of each view with most truth (without truth: most prediction)."
    return (
        "Each class in its own colour, where truth is known truth above and prediction below. The slices hold most of "
        "all classes of the truth (without truth: of the prediction)."
    )
