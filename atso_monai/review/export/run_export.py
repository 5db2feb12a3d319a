"""A run's labels in the formats of other programs: everything is checked first, and a folder appears whole or not."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from atso_monai.errors import ConfigError, PrepareError, RunFolderError, one_of
from atso_monai.review.export.case_labels import CaseLabels, RunLabels, read_case_labels

FORMATS = ("slicer", "dicom-seg", "nifti")


class Exporter(Protocol):
    """Writes one case at a time into a folder."""

    def add(self, item: CaseLabels) -> None:
        """Write one case."""

    def finish(self) -> None:
        """Write what is about all cases."""


def export(run_dir: str | Path, to: str | Path, file_format: str, *, copy_images: bool = False) -> RunLabels:
    """Write the labels of all reference and test cases of a finished run.

    Args:
        run_dir: the run folder; it may have been moved.
        to: the folder to make; an existing one must be empty. It appears when all is written.
        file_format: ``slicer``, ``dicom-seg`` or ``nifti``.
        copy_images: with ``slicer``, copy the scans instead of linking them.

    Returns:
        What was exported.

    Raises:
        ConfigError: for another format, or when its libraries are not installed.
        RunFolderError: when the run is not finished, was changed, or ``to`` cannot be used.
        PrepareError: when images are missing or labels do not fit them; nothing is left behind.
    """
    one_of("format", file_format, FORMATS)
    start = _exporter(file_format, copy_images)
    target = Path(to).absolute()
    _require_new(target)
    run = read_case_labels(run_dir)
    _require_complete(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    folder = temporary / target.name  # inside: mkdtemp's own folder is closed to others
    try:
        folder.mkdir()
        exporter = start(run, folder)
        for item in tqdm(run.cases, desc="exporting", unit="case", file=sys.stderr, disable=None):
            exporter.add(item)
        exporter.finish()
        _require_new(target)
        if target.exists():
            target.rmdir()
        folder.rename(target)
    except OSError as error:
        raise RunFolderError(f"Cannot write {target}: {error.strerror or error}. Nothing was left there.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return run


def _exporter(file_format: str, copy_images: bool) -> Callable[[RunLabels, Path], Exporter]:
    """The exporter of a format; its libraries are needed for it alone."""
    try:
        if file_format == "slicer":
            from atso_monai.review.export.slicer import SlicerExport

            return lambda run, folder: SlicerExport(run, folder, copy_images)
        if file_format == "dicom-seg":
            from atso_monai.review.export.dicom_seg import DicomSegExport

            return DicomSegExport
    except ImportError as error:
        raise ConfigError(
            f"--format {file_format} needs {error.name}, which is not installed: pip install 'atso_monai[review]'."
        ) from error
    from atso_monai.review.export.nifti import NiftiExport

    return NiftiExport


def _require_new(target: Path) -> None:
    if target.is_dir() and any(target.iterdir()):
        raise RunFolderError(
            f"{target} is not empty. Nothing was written: corrections may lie there. Choose a new or an empty folder."
        )
    if target.exists() and not target.is_dir():
        raise RunFolderError(f"{target} is a file. Choose a new or an empty folder.")


def _require_complete(run: RunLabels) -> None:
    """Every case has its final label and its scan: better told before hours of writing."""
    if waiting := [item.case.id for item in run.cases if item.final is None]:
        raise RunFolderError(
            f"{len(waiting)} of {len(run.cases)} cases have no final label yet, first {waiting[0]!r}: the run in "
            f"{run.run_dir} is not finished. See `atso status {run.run_dir}`, and start it again to go on."
        )
    files = [path for item in run.cases for path in (item.case.image, *_labels(item))]
    if gone := [path for path in files if not path.exists()]:
        raise PrepareError(
            f"{len(gone)} of {len(files)} files are missing, first {gone[0]}. Where scans were moved, put them back or "
            f"correct their paths in {run.run_dir / 'cohort.json'}."
        )


def _labels(item: CaseLabels) -> list[Path]:
    return [path for path in (item.final, *(label.path for label in item.fold_models)) if path is not None]
