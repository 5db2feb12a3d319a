"""A cohort from a task folder of the Medical Segmentation Decathlon (Antonelli et al., Nature Communications 2022)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from atso_monai.cohort import datalist
from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames, merged_names
from atso_monai.cohort.splits import Share, split
from atso_monai.errors import CohortError, nearest
from atso_monai.files import as_given
from atso_monai.volume_file import case_id

_WAYS = (
    "Get the task from http://medicaldecathlon.com and give the folder that holds its dataset.json "
    "(e.g. Task04_Hippocampus), or let MONAI fetch it with download=True."
)


def msd_cohort(
    dataset_dir: str | Path | None,
    *,
    labelled: Share = None,
    reference: Share = None,
    test: Share = None,
    seed: int = 0,
    folds: int = 2,
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    name: str | None = None,
    unlabelled: bool = True,
    download: bool = False,
) -> Cohort:
    """A cohort from a folder with ``dataset.json``, such as ``Task04_Hippocampus``.

    The cases of the list ``training`` have labels and can play any role; those of ``test`` (whose labels are not
    public) can only be reference cases. ``._*`` files, which macOS leaves in the archives, are skipped.

    Args:
        dataset_dir: the task folder. None, as in a configuration that leaves it open, is an error that says so.
        labelled: number of cases, list of ids, or None for all that remain with a label.
        reference: number of cases, list of ids, or None for all that remain.
        test: number of cases, list of ids, or None for no test set.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None takes those of ``dataset.json``, put together by ``label_map``.
        label_map: class index of each value in the label files, e.g. ``{1: 1, 2: 1}`` for one class of two.
        name: of the cohort; None takes that of ``dataset.json``.
        unlabelled: False leaves the cases of the list ``test`` out, so that every reference case has a known truth.
        download: fetch and unpack the task beside ``dataset_dir`` by MONAI when it is missing.

    Raises:
        CohortError: when the folder is missing or its ``dataset.json`` is of another form, and as ``split`` does.
    """
    if not dataset_dir:
        raise CohortError(f"No data set was given: set dataset_dir to a Decathlon task folder. {_WAYS}")
    folder = Path(os.path.abspath(as_given(dataset_dir)))
    if download and not (folder / "dataset.json").is_file():
        _download(folder)
    content = _dataset_json(folder)
    source = str(folder / "dataset.json")
    names = datalist.integer_keys(content["labels"], f"{source}, labels")
    return split(
        _cases(content if unlabelled else {**content, "test": []}, folder, source),
        labelled=labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        name=name or str(content.get("name") or folder.name),
        label_names=label_names or merged_names(names, label_map),
        label_map=label_map,
    )


def _dataset_json(folder: Path) -> dict[str, Any]:
    file = folder / "dataset.json"
    if not file.is_file():
        missing = f"{folder} has no dataset.json" if folder.is_dir() else f"There is no folder {folder}"
        raise CohortError(f"{missing}. {_WAYS}")
    content = datalist.read(file)
    missing_keys = [k for k in ("training", "labels") if not isinstance(content, dict) or k not in content]
    if missing_keys or not isinstance(content, dict):
        raise CohortError(
            f"{file}: missing key {', '.join(map(repr, missing_keys))}, so it is no Decathlon data list. "
            "For other layouts use a folder of images and a folder of labels (folder_cohort)."
        )
    return content


def _cases(content: dict[str, Any], folder: Path, source: str) -> list[Case]:
    cases = []
    for number, entry in enumerate(datalist.listed(content["training"], f"{source}, training")):
        where = f"{source}, training[{number}]"
        if not isinstance(entry, dict):
            raise CohortError(f"{where}: must be an object with image and label. Received: {entry!r}.")
        label = entry.get("label")
        cases.append(_case(entry, None if label is None else _file(label, folder, where), folder, where))
    for number, entry in enumerate(datalist.listed(content.get("test") or [], f"{source}, test")):
        cases.append(_case(entry, None, folder, f"{source}, test[{number}]"))
    return [case for case in cases if not case.image.name.startswith("._")]


def _case(entry: object, label: Path | None, folder: Path, where: str) -> Case:
    image = _file(entry.get("image") if isinstance(entry, dict) else entry, folder, where)
    return Case(case_id(image), image, label=label)


def _file(entry: object, folder: Path, where: str) -> Path:
    if not isinstance(entry, str):
        raise CohortError(f"{where}: files must be named by text. Received: {entry!r}.")
    return Path(os.path.normpath(folder / entry))


def _download(folder: Path) -> None:
    """Fetch and unpack the task that ``folder`` is named after."""
    from monai.apps import DecathlonDataset, download_and_extract

    task = folder.name
    if task not in DecathlonDataset.resource:
        known = sorted(DecathlonDataset.resource)
        raise CohortError(
            f"Cannot download {folder}: MONAI knows no task {task!r}.{nearest(task, known)} "
            f"Name the folder after one of {', '.join(known)}."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_and_extract(
            url=DecathlonDataset.resource[task],
            filepath=folder.parent / f"{task}.tar",
            output_dir=folder.parent,
            hash_val=DecathlonDataset.md5[task],
            hash_type="md5",
        )
    except Exception as error:  # no network, a broken archive, a full disk: urllib, tarfile and MONAI raise their own
        reason = str(error).strip() or type(error).__name__
        raise CohortError(
            f"Could not download {task} to {folder.parent}: {reason}. Try again where there is a network, "
            f"or get {task}.tar from http://medicaldecathlon.com and unpack it there."
        ) from error
