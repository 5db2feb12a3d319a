"""Phantoms in the layout in which TCIA hands out NIH Pancreas-CT, with its defects and others on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from atso_monai.errors import one_of
from atso_monai.files import atomic_path
from atso_monai.phantom.acquisition import Scanner
from atso_monai.phantom.case import SHAPE, PhantomCase, phantom_case
from atso_monai.phantom.dicom import write_dicom_series
from atso_monai.phantom.settings import claim_folder, written_settings
from atso_monai.phantom.writer import case_seed, nifti_bytes

LABELS = "TCIA_pancreas_labels-02-05-2017"
DEFECTS = (
    "withdrawn",  # the scan's folder is empty, the label is there
    "flipped label",  # the voxels are flipped along Y, the header is not
    "no label header",  # the label's affine says nothing
    "missing slice",
    "slice twice",
    "two series",
    "cropped copy",  # the scan of the first case, with fewer slices and moved in plane
)


def write_tcia(
    folder: Path | str,
    *,
    numbers: Sequence[int],
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] | None = None,
    defects: Mapping[int, str] | None = None,
) -> Path:
    """Write ``Pancreas-CT/PANCREAS_0001/...`` (DICOM) and ``TCIA_pancreas_labels-02-05-2017/label0001.nii.gz``.

    Labels are stored in LAS, scans in LPS, as the original ones: the same grid, rows counted from the other end. Cases
    that are there already are kept.

    Args:
        folder: made when missing.
        numbers: of the cases, from 1.
        seed: at least 0.
        shape: voxels along X, Y, Z, see :func:`phantom_case`.
        spacing: mm along X, Y, Z, see :func:`phantom_case`.
        defects: one of :data:`DEFECTS` by case number.

    Returns:
        ``folder``.

    Raises:
        ConfigError: for an unknown defect.
        CohortError: where the folder holds phantoms of other settings.
    """
    folder, defects = Path(folder), dict(defects or {})
    for number, defect in defects.items():
        one_of(f"the defect of case {number}", defect, DEFECTS)
    named = {str(number): defect for number, defect in sorted(defects.items())}
    claim_folder(
        folder,
        written_settings(scanner=Scanner(), layout="tcia", seed=seed, shape=shape, spacing=spacing, defects=named),
    )
    for number in numbers:
        label = folder / LABELS / f"label{number:04d}.nii.gz"
        if label.is_file():
            continue
        defect = defects.get(number, "")
        source = numbers[0] if defect == "cropped copy" else number
        case = phantom_case(case_seed(seed, source), shape=shape, spacing=spacing)
        _write_case(folder, label, case, number, defect)
    return folder


def _write_case(folder: Path, label: Path, case: PhantomCase, number: int, defect: str) -> None:
    patient = f"PANCREAS_{number:04d}"
    image, values, affine = case.image, case.label, case.affine
    if defect == "cropped copy":
        image, values = (_cropped(array, fill) for array, fill in ((image, -1024), (values, 0)))
    scan = folder / "Pancreas-CT" / patient
    scan.mkdir(parents=True, exist_ok=True)
    if defect != "withdrawn":
        _write_scan(scan / "11-24-2015-Pancreas" / "Pancreas-1", image, affine, patient, defect)
    content = nifti_bytes(*_label(values, affine, defect))
    with atomic_path(label) as temporary:
        temporary.write_bytes(content)


def _write_scan(series: Path, image: NDArray[np.int16], affine: NDArray[np.float64], patient: str, defect: str) -> None:
    lps = nib.Nifti1Image(image, affine)
    target = nib.orientations.axcodes2ornt(("L", "P", "S"))
    lps = lps.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), target))
    files = write_dicom_series(series, np.asarray(lps.dataobj), lps.affine, patient=patient)
    harm: dict[str, Callable[[], object]] = {
        "missing slice": files[len(files) // 2].unlink,
        "slice twice": lambda: files[1].with_name("again.dcm").write_bytes(files[1].read_bytes()),
        "two series": lambda: write_dicom_series(
            series.with_name("Pancreas-2"), np.asarray(lps.dataobj)[..., :3], lps.affine, patient=patient, number=2
        ),
    }
    harm.get(defect, lambda: None)()


def _label(
    values: NDArray[np.uint8], affine: NDArray[np.float64], defect: str
) -> tuple[NDArray[np.uint8], NDArray[np.float64], str]:
    """Voxels, affine and stored orientation of the label file."""
    if defect == "flipped label":
        return np.ascontiguousarray(values[:, ::-1]), affine, "LAS"
    if defect == "no label header":
        return values, np.eye(4), "RAS"
    return values, affine, "LAS"


def _cropped(array: NDArray[Any], fill: int) -> NDArray[Any]:
    """Two slices fewer below, one above; moved by (3, 2) voxels in plane."""
    out = np.full_like(array, fill)
    out[3:, 2:] = array[:-3, :-2]
    return out[..., 2:-1]
