"""A volume as a DICOM series, one file per slice, written by ITK: for stand-ins of data sets that come as DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import ConfigError
from atso_monai.files import atomic_path

_ROOT = "1.2.826.0.1.3680043.8.498"  # under which pydicom's documentation lets anyone make identifiers
_CT = "1.2.840.10008.5.1.4.1.1.2"


def write_dicom_series(
    folder: Path,
    image: npt.NDArray[np.int16],
    affine: npt.NDArray[np.float64],
    *,
    patient: str,
    number: int = 1,
    intercept: int = -1024,
) -> list[Path]:
    """Write a CT volume as DICOM slices ``000000.dcm``, ``000001.dcm``, ... in the order of the last axis.

    Args:
        folder: made when missing.
        image: (columns, rows, slices) in HU.
        affine: 4x4, index to RAS mm, with three perpendicular axes.
        patient: name and id in the headers.
        number: of the series; makes its identifiers together with ``patient``.
        intercept: HU of the stored value 0.

    Raises:
        ConfigError: when the slices would not be perpendicular to the direction in which they are stacked.
    """
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    directions = lps[:3, :3] / spacing
    if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-6):
        raise ConfigError(f"A series needs perpendicular axes. Received: affine {np.asarray(affine).tolist()}.")
    if np.linalg.det(directions) < 0:  # columns x rows point along the stack, as readers expect
        image, lps = image[..., ::-1], lps @ _reverse(image.shape[2])
        directions[:, 2] *= -1
    uid = f"{_ROOT}.{sum(ord(c) * 31**i for i, c in enumerate(patient)) % 10**12}.{number}"
    files = []
    for index in range(image.shape[2]):
        place = (lps @ [0, 0, index, 1])[:3]
        tags = {"0010|0010": patient, "0010|0020": patient, "0020|000d": f"{uid}.0", "0020|000e": f"{uid}.1"}
        tags |= {"0008|0018": f"{uid}.1.{index + 1}", "0020|0013": str(index + 1), "0020|0011": str(number)}
        file = folder / f"{index:06d}.dcm"
        write_slice(file, image[..., index], place, directions, spacing, {**tags, "0028|1052": str(intercept)})
        files.append(file)
    return files


def write_slice(
    file: Path,
    values: npt.NDArray[np.int16],
    position: npt.NDArray[np.float64],
    directions: npt.NDArray[np.float64],
    spacing: npt.NDArray[np.float64],
    tags: dict[str, str],
) -> None:
    """Write one slice.

    Args:
        file: to write, in one step.
        values: (columns, rows) in HU.
        position: (3,) centre of the first voxel, LPS mm.
        directions: (3, 3) unit vectors of growing column, row and slice index as columns, LPS.
        spacing: (3,) mm.
        tags: header entries as "group|element": text; those of geometry are made from the other arguments.
    """
    import itk

    image: Any = itk.image_from_array(np.ascontiguousarray(values.T[None]))
    image.SetSpacing([float(v) for v in spacing])
    image.SetOrigin([float(v) for v in position])
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(directions)))
    header = image.GetMetaDataDictionary()
    fixed = {"0008|0016": _CT, "0008|0060": "CT", "0008|0008": "DERIVED\\SECONDARY\\AXIAL", "0028|1053": "1"}
    dates = {"0008|0020": "20000101", "0008|0030": "000000"}  # else ITK writes the clock's
    for key, text in {**fixed, **dates, **tags}.items():
        header[key] = text
    with atomic_path(file) as temporary:
        writer = itk.ImageFileWriter.New(image)
        encoder = itk.GDCMImageIO.New()
        encoder.SetKeepOriginalUID(True)
        writer.SetImageIO(encoder)
        writer.SetFileName(str(temporary))
        writer.Update()


def _reverse(count: int) -> npt.NDArray[np.float64]:
    """4x4 that counts the last axis from its other end."""
    turn = np.diag([1.0, 1.0, -1.0, 1.0])
    turn[2, 3] = count - 1
    return turn
