"""A task of the Medical Segmentation Decathlon from its archive to a folder, and what its headers say."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.errors import CohortError


def unpack_msd(archive: Path, into: Path) -> Path:
    """Unpack ``Task07_Pancreas.tar`` to ``into/Task07_Pancreas``, without the ``._*`` files that macOS left in it.

    Returns:
        The task folder; one that is there already is left as it is.

    Raises:
        CohortError: when the archive is missing, damaged or holds no task, or there is no space.
    """
    target = into / archive.name.split(".tar")[0]
    if (target / "dataset.json").is_file():
        return target
    if target.exists():
        raise CohortError(f"{target} is there, but has no dataset.json. Remove it, or unpack into another folder.")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=into) as room:
            _extract(archive, Path(room))
            found = [p.parent for p in Path(room).glob("*/dataset.json")]
            if len(found) != 1:
                raise CohortError(f"{archive} is no Decathlon task: it holds {len(found)} folders with a dataset.json.")
            os.replace(found[0], target)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise CohortError(f"Cannot unpack {archive}: {error}. Download it again, or free some space.") from error
    return target


def _extract(archive: Path, room: Path) -> None:
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if not Path(m.name).name.startswith("._")]
        need, free = sum(m.size for m in members), shutil.disk_usage(room).free
        if need > free:
            raise CohortError(f"{archive} needs {need / 1e9:.1f} GB, and {room.parent} has {free / 1e9:.1f} GB free.")
        tar.extractall(room, members, filter="data")


def msd_summary(cohort: Cohort) -> str:
    """Cases, and the range of the distances between their slices, from the headers alone.

    Raises:
        CohortError: lists the files that are missing or have no readable header.
    """
    cases = [*cohort.labelled, *cohort.reference, *cohort.test]
    faults, distances = [], []
    for case in cases:
        for file in _files(case):
            try:
                distances += [_slice_distance(file)] if file == case.image else []
                if not file.is_file():
                    faults.append(f"{file} is missing")
            except Exception as error:  # nibabel and zlib raise a dozen unrelated classes on damaged files
                faults.append(f"{file}: {error}")
    if faults:
        raise CohortError(f"{len(faults)} files cannot be used:\n  " + "\n  ".join(_first(faults)))
    labelled = sum(case.as_labelled().label is not None for case in cases)
    return (
        f"{cohort.name}: {len(cases)} cases, {labelled} of them with a label; "
        f"slices {min(distances):.2f} to {max(distances):.2f} mm apart"
    )


def _files(case: Case) -> Iterator[Path]:
    return (file for file in (case.image, case.label, case.truth) if file is not None)


def _slice_distance(file: Path) -> float:
    """Distance in mm of slices along the head to foot axis."""
    import nibabel as nib

    affine = nib.load(file).affine
    axis = int(nib.io_orientation(affine)[:, 0].tolist().index(2))
    return float(nib.affines.voxel_sizes(affine)[axis])


def _first(faults: Sequence[str]) -> list[str]:
    return [*faults[:20], *([f"... and {len(faults) - 20} more"] if len(faults) > 20 else [])]
