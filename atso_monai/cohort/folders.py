"""A cohort from a folder of images and a folder of labels."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from atso_monai._dicom_series import is_dicom_folder
from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.pairing import Pairing, pair_by_name, pairing_table
from atso_monai.cohort.splits import Share, split
from atso_monai.errors import CohortError
from atso_monai.files import as_given
from atso_monai.volume_file import SUFFIXES

_logger = logging.getLogger(__name__)


def folder_cohort(
    images: str | Path,
    labels: str | Path,
    *,
    labelled: Share = None,
    reference: Share = None,
    test: Share = None,
    seed: int = 0,
    folds: int = 2,
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    name: str | None = None,
    show: Callable[[str], None] = _logger.info,
) -> Cohort:
    """A cohort from a folder of images and a folder of labels, paired by file name.

    An image without a label can only be a reference case. The roles are given as :func:`atso_monai.cohort.split` does.

    Args:
        images: folder of volume files, one per case; folders in it and hidden files are left alone.
        labels: folder of label files, another than ``images``.
        labelled: number of cases, list of ids, or None for all that remain with a label.
        reference: number of cases, list of ids, or None for all that remain.
        test: number of cases, list of ids, or None for no test set.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None for 1 "foreground".
        label_map: class index of each value in the label files; None where they hold class indices.
        name: of the cohort; None takes the name of the folder that holds ``images``.
        show: gets the pairing as text before it is used; the default logs it.

    Raises:
        CohortError: when a folder holds no volumes, a label has no image, or names leave a pairing open.
    """
    images, labels = as_given(images), as_given(labels)
    pairing = pair_folders(images, labels)
    show(pairing_table(pairing))
    if pairing.problems:
        raise CohortError(_open_questions(pairing, images, labels))
    return split(
        [Case(pair.id, pair.image, label=pair.label) for pair in pairing.pairs],
        labelled=labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        name=name or Path(os.path.abspath(images)).parent.name or "cohort",
        label_names=label_names,
        label_map=label_map,
    )


def pair_folders(images: str | Path, labels: str | Path) -> Pairing:
    """Pair the volume files of two folders by name, to look at before using it (:func:`pairing_table`).

    A folder of one DICOM series in the folder of images is an image too, under the folder's name.

    Raises:
        CohortError: when a folder is missing or holds no volumes, or both are the same one.
    """
    if os.path.realpath(images) == os.path.realpath(labels):
        raise CohortError(
            f"Images and labels must lie in folders of their own. Received: {images} for both. "
            "Move the label files into a folder of their own."
        )
    return pair_by_name(_volumes(images, "images"), _volumes(labels, "labels"))


def _volumes(folder: str | Path, what: str) -> list[Path]:
    base = Path(os.path.abspath(folder))
    if not base.is_dir():
        raise CohortError(f"The folder of {what} {'is no folder' if base.exists() else 'does not exist'}: {folder}.")
    entries = sorted(entry for entry in base.iterdir() if not entry.name.startswith("."))
    names = [entry.name for entry in entries if not entry.is_dir()]
    series = [entry for entry in entries if what == "images" and is_dicom_folder(entry)]
    found = sorted([*(base / name for name in names if name.lower().endswith(SUFFIXES)), *series])
    if not found:
        holds = f"other files such as {names[0]}" if names else "no files"
        raise CohortError(f"The folder of {what} {folder} holds {holds}, but no volume ({', '.join(SUFFIXES)}).")
    return found


def _open_questions(pairing: Pairing, images: Path, labels: Path) -> str:
    shown = "\n  ".join(pairing.problems[:30])
    more = f"\n  ... and {len(pairing.problems) - 30} more" if len(pairing.problems) > 30 else ""
    return (
        f"Names do not tell which labels in {labels} belong to which images in {images}:\n  {shown}{more}\n"
        "Rename the files so that each label has the name of its image, or move files without partner elsewhere."
    )
