"""A cohort from the official folders of Mapillary Vistas 1.2 (Neuhold et al., ICCV 2017)."""

from __future__ import annotations

from pathlib import Path

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import Share
from atso_monai.cohort.street import dataset_folder, pictures, street_split
from atso_monai.volume_file import case_id

_WAYS = (
    "Register at https://www.mapillary.com/dataset/vistas, unpack version 1.2 (or the v1.2 labels of version 2.0), and "
    "give the folder that holds training/ and validation/."
)


def mapillary_cohort(
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
    """A cohort of street scenes whose 66 labels become the 19 classes of Cityscapes; those without one are ignored.

    S and R come from ``training`` (18,000 images), E from ``validation`` (2,000). Images differ in size.

    Args:
        dataset_dir: the folder with ``training/`` and ``validation/``, in each ``images/`` and ``labels/`` (or
            ``v1.2/labels/``), whose files hold the 66 indices.
        labelled: number of images, list of ids, or None for all that remain.
        reference: number of images, list of ids, or None for all that remain.
        test: number of images, list of ids, or None for all of ``validation``.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None for the 19.
        label_map: class index of each of the 66; None for the table ``mapillary_66_to_19``.
        name: of the cohort; None is "Mapillary Vistas".

    Raises:
        CohortError: when a folder is missing, and as :func:`~atso_monai.cohort.street.street_split` does.
    """
    folder = dataset_folder(dataset_dir, ("training/images", "validation/images"), _WAYS)
    return street_split(
        _cases(folder / "training"),
        [case for case in _cases(folder / "validation") if case.label],
        table="mapillary_66_to_19",
        labelled=labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        label_names=label_names,
        label_map=label_map,
        name=name or "Mapillary Vistas",
    )


def _cases(part: Path) -> list[Case]:
    labels = part / "v1.2" / "labels" if (part / "v1.2" / "labels").is_dir() else part / "labels"
    cases = []
    for image in pictures(part / "images"):
        label = labels / f"{case_id(image)}.png"
        cases.append(Case(case_id(image), image, label=label if label.is_file() else None))
    return cases
