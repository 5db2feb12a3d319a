"""Phantom cases as files: images and labels as NIfTI, each written whole or not at all, the same bytes every time."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from atso_monai.errors import ConfigError
from atso_monai.files import atomic_path
from atso_monai.phantom.acquisition import Scanner
from atso_monai.phantom.case import SHAPE, phantom_case
from atso_monai.phantom.settings import claim_folder, written_settings

MIXED = ("RAS", "LAS", "LPS", "RPI", "PIR", "ASR", "SAL", "LIP")
"""Orientations that files of ``orientations="mixed"`` are stored in."""


def write_phantom(
    folder: Path | str,
    *,
    cases: int,
    seed: int,
    scanner: Scanner | None = None,
    prefix: str = "phantom",
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] | None = None,
    orientations: str = "RAS",
) -> list[tuple[str, Path, Path]]:
    """Write ``cases`` phantoms into ``folder/images`` and ``folder/labels``; those already there are kept.

    The settings lie beside them in ``phantom.json``; any of them but ``cases`` must be the same when more is added. The
    first cases are the same ones whatever ``cases`` is.

    Args:
        folder: made if missing.
        cases: how many, at least 1.
        seed: at least 0; another seed gives other people.
        scanner: where None, ``Scanner()``.
        prefix: of the ids ``<prefix>_000``, ``<prefix>_001``, ...
        shape: voxels along the RAS axes, see :func:`phantom_case`.
        spacing: voxel size in mm along the RAS axes, see :func:`phantom_case`.
        orientations: axis codes that the files are stored in, such as "LPS"; or "mixed", one of ``MIXED`` a case.

    Returns:
        (id, image file, label file) of every case, in order.

    Raises:
        ConfigError: for a number, prefix or orientation that makes no sense.
        CohortError: where the folder holds anything of other settings; nothing is written then.
    """
    folder, scanner = Path(folder), scanner or Scanner()
    _check(cases, seed, prefix, orientations)
    settings = written_settings(
        seed=seed, scanner=scanner, prefix=prefix, shape=shape, spacing=spacing, orientations=orientations
    )
    claim_folder(folder, settings)
    rows = []
    for number in range(cases):
        name = f"{prefix}_{number:03d}"
        image, label = (folder / part / f"{name}.nii.gz" for part in ("images", "labels"))
        if not (image.is_file() and label.is_file()):
            own = case_seed(seed, number)
            case = phantom_case(own, shape=shape, spacing=spacing, scanner=scanner)
            codes = MIXED[own % len(MIXED)] if orientations == "mixed" else orientations
            _write(image, nifti_bytes(case.image, case.affine, codes))
            _write(label, nifti_bytes(case.label, case.affine, codes))
        rows.append((name, image, label))
    return rows


def case_seed(seed: int, number: int) -> int:
    """Seed of case ``number`` of a folder of ``seed``: unrelated to that of any other case or folder."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def nifti_bytes(values: NDArray[np.generic], affine: NDArray[np.float64], codes: str) -> bytes:
    """A ``.nii.gz`` file of a RAS volume (X, Y, Z), stored with axes ``codes``; no clock and no file name inside."""
    image = nib.Nifti1Image(values, affine, dtype=values.dtype)
    target = nib.orientations.axcodes2ornt(tuple(codes))
    image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), target))
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=buffer, mtime=0) as file:
        file.write(image.to_bytes())
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _check(cases: int, seed: int, prefix: str, orientations: str) -> None:
    plain = bool(prefix) and Path(prefix).name == prefix and not prefix.startswith(".")
    axes = sorted({"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}.get(code, 9) for code in orientations)
    if cases < 1 or seed < 0 or not plain or (orientations != "mixed" and axes != [0, 1, 2]):
        raise ConfigError(
            "A phantom folder needs at least 1 case, a seed of 0 or more, a prefix that can begin a file name, and an "
            f"orientation such as 'RAS' or 'mixed'. Received: cases={cases}, seed={seed}, prefix={prefix!r}, "
            f"orientations={orientations!r}. Change the one that does not fit."
        )
