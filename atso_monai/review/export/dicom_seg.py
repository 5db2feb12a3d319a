"""Export as DICOM Segmentation objects on the source series (DICOM PS3.3 A.51), by highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

import atso_monai
from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path
from atso_monai.review.export.case_labels import CaseLabels, RunLabels
from atso_monai.review.export.dicom_series import on_series, read_series, source_series
from atso_monai.review.export.labels import read_label
from atso_monai.review.export.terms import term

SERIES_NUMBER = 900
"""Beyond the numbers that scanners give."""


@dataclass(frozen=True)
class Origin:
    """What a segmentation comes from, as its header says.

    Attributes:
        model: of what made it, in words.
        serial: what tells one such model from another.
        description: of the series, in words.
        content: what it is, in capitals and underscores, at most 16 (DICOM's code string).
    """

    model: str
    serial: str
    description: str
    content: str


class DicomSegExport:
    """Writes the final label of each case as ``<id>.dcm``: one binary segment per class, absent ones without frames.

    Args:
        run: the labels of a run whose images are DICOM series, one per folder, or were converted from such.
        folder: an existing, empty folder.

    Raises:
        PrepareError: when some images are no DICOM series; names the first.
    """

    def __init__(self, run: RunLabels, folder: Path) -> None:
        self._run, self._folder = run, folder
        if others := [item.case for item in run.cases if source_series(item.case.image) is None]:
            raise PrepareError(
                f"{len(others)} of {len(run.cases)} images are no DICOM series, first {others[0].image} (case "
                f"{others[0].id!r}). A DICOM segmentation needs the series it is on: use --format slicer or nifti."
            )

    def add(self, item: CaseLabels) -> None:
        """Write the segmentation of one case.

        Raises:
            PrepareError: when the series cannot be used, or the label does not lie on its grid.
        """
        if item.final is None:
            raise PrepareError(f"Case {item.case.id!r} has no final label yet.")
        if (source := source_series(item.case.image)) is None:
            raise PrepareError(f"The DICOM series of case {item.case.id!r} is gone: {item.case.image}.")
        origin = Origin(
            f"ATSO, {self._run.strategy}", self._run.cohort.fingerprint, "Pseudo label, for research", "PSEUDO_LABEL"
        )
        with atomic_path(self._folder / f"{item.case.id}.dcm") as temporary:
            write_segmentation(temporary, source, item.final, self._run.classes, origin)

    def finish(self) -> None:
        """Nothing is left to write: each file says what its segments are."""


def write_segmentation(to: Path, source: Path, label: Path, classes: Mapping[int, str], origin: Origin) -> None:
    """Write a label file as a segmentation of its series.

    Args:
        to: the file to write.
        source: folder of the series.
        label: class indices on the grid of the series, in any of its orientations.
        classes: name of each class index, without the background.
        origin: what the segmentation comes from.

    Raises:
        PrepareError: when the series cannot be used, or the label does not lie on its grid.
    """
    series, grid = read_series(source)
    array, affine = read_label(label, classes)
    turned = on_series(label, array, affine, source, grid)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The string .* is unlikely to represent")  # names of patients
            document = _segmentation(series, turned.transpose(2, 1, 0), classes, origin)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PrepareError(
            f"No DICOM segmentation can be made on the series in {source}: {error}. Its headers are not as DICOM asks."
        ) from error
    document.save_as(to)


def _segmentation(series: Sequence[Any], frames: Any, classes: Mapping[int, str], origin: Origin) -> Any:
    """The document of frames (slices, rows, columns) of class indices."""
    numbers = np.zeros(256, dtype=np.uint8)
    numbers[list(classes)] = range(1, len(classes) + 1)
    frames = numbers[frames]
    return hd.seg.Segmentation(
        source_images=series,
        pixel_array=frames,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(number, index, name) for number, (index, name) in enumerate(classes.items(), start=1)
        ],
        series_instance_uid=hd.UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="atso_monai",
        manufacturer_model_name=origin.model[:64],
        software_versions=atso_monai.__version__,
        device_serial_number=origin.serial,
        series_description=origin.description,
        content_label=origin.content,
        specific_character_set="ISO_IR 192",  # UTF-8: class names are in any language
        omit_empty_frames=bool(frames.any()),  # a document must have a frame
    )


def _description(number: int, index: int, name: str) -> Any:
    found = term(name, index)
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.AnatomicalStructure if found.known else codes.SCT.Tissue,
        segmented_property_type=_code(found.type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="ATSO", family=codes.DCM.ArtificialIntelligence, version=atso_monai.__version__
        ),
        tracking_uid=hd.UID(),
        tracking_id=f"{number} {name}"[:64],
        display_color=hd.color.CIELabColor.from_rgb(*found.colour),
    )
    if found.side:
        coded = hd.sr.CodedConcept.from_code(_code(found.side))
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [coded]
    return description


def _code(triplet: tuple[str, str, str]) -> Code:
    scheme, value, meaning = triplet
    return Code(value=value, scheme_designator=scheme, meaning=meaning)
