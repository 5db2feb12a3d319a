"""A cohort from the official folders of Cityscapes (Cordts et al., CVPR 2016)."""

from __future__ import annotations

from pathlib import Path

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.splits import Share
from atso_monai.cohort.street import dataset_folder, pictures, street_split

_IMAGE = "_leftImg8bit.png"
_WAYS = (
    "Register at https://www.cityscapes-dataset.com, unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip "
    "(and, for coarse=True, leftImg8bit_trainextra.zip and gtCoarse.zip) into one folder, and give that folder."
)


def cityscapes_cohort(
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
    coarse: bool = False,
) -> Cohort:
    """A cohort of street scenes with the 19 classes of the benchmark; all other ids are ignored.

    S and R come from ``train``, E from ``val`` (the labels of the official ``test`` are not public). The paper
    (appendix C) takes 1,000 finely labelled images as S and all others, the coarsely labelled included, as R.

    Args:
        dataset_dir: the folder with ``leftImg8bit/`` and ``gtFine/``, whose label files end in ``_labelIds.png``.
        labelled: number of images, list of ids such as ``aachen_000000_000019``, or None for all that remain.
        reference: number of images, list of ids, or None for all that remain.
        test: number of images, list of ids, or None for all of ``val``.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None for the 19.
        label_map: class index of each id; None for the official 19 and 255 for the rest.
        name: of the cohort; None is "Cityscapes".
        coarse: whether the images of ``train_extra`` join R. Their labels in ``gtCoarse/`` become truth, which is for
            metrics only; what the coarse polygons leave out is ignored there.

    Raises:
        CohortError: when a folder is missing, and as :func:`~atso_monai.cohort.street.street_split` does.
    """
    parts = ["leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"]
    parts += ["leftImg8bit/train_extra", "gtCoarse/train_extra"] if coarse else []
    folder = dataset_folder(dataset_dir, parts, _WAYS)
    extra = _cases(folder, "train_extra", "gtCoarse") if coarse else []
    return street_split(
        _cases(folder, "train", "gtFine"),
        [case for case in _cases(folder, "val", "gtFine") if case.label],
        further=[case.as_reference() for case in extra],
        table="cityscapes_34_to_19",
        labelled=labelled,
        reference=reference,
        test=test,
        seed=seed,
        folds=folds,
        label_names=label_names,
        label_map=label_map,
        name=name or "Cityscapes",
    )


def _cases(folder: Path, part: str, kind: str) -> list[Case]:
    """The images of ``leftImg8bit/<part>/<city>/`` with their labels in ``<kind>``, where these are there."""
    cases = []
    for image in pictures(folder / "leftImg8bit" / part):
        if image.name.endswith(_IMAGE):
            name = image.name.removesuffix(_IMAGE)
            label = folder / kind / part / image.parent.name / f"{name}_{kind}_labelIds.png"
            cases.append(Case(name, image, label=label if label.is_file() else None))
    return cases
