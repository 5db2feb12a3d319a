"""A cohort from NIH Pancreas-CT as downloaded from TCIA: DICOM series and label files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atso_monai.cohort import splits
from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelMap, LabelNames
from atso_monai.cohort.nih_layout import WITHDRAWN, find_nih, nih_id
from atso_monai.cohort.nih_prepare import converted_nih, prepare_nih
from atso_monai.errors import CohortError, one_of
from atso_monai.files import as_given, read_json

_logger = logging.getLogger(__name__)
_SPLITS = Path(__file__).with_name("nih_splits.json")


@dataclass(frozen=True)
class NihSplit:
    """A published partition of NIH Pancreas-CT.

    Attributes:
        name: how configurations call it.
        source: where it comes from.
        test: ids of the test set.
        training: ids of all others.
        labelled: ids of the labelled cases of the training set, by share ("10%", "20%"); lists of this project.
    """

    name: str
    source: str
    test: tuple[str, ...]
    training: tuple[str, ...]
    labelled: dict[str, tuple[str, ...]]


def nih_splits() -> dict[str, NihSplit]:
    """The partitions by name: ``62-20`` (the ATSO paper's, read to the letter) and ``fold-1`` ... ``fold-4``."""

    def ids(numbers: list[int]) -> tuple[str, ...]:
        return tuple(nih_id(number) for number in numbers)

    return {
        name: NihSplit(
            name=name,
            source=entry["source"],
            test=ids(entry["test"]),
            training=ids(entry["training"]),
            labelled={share: ids(numbers) for share, numbers in entry["labelled"].items()},
        )
        for name, entry in read_json(_SPLITS)["splits"].items()
    }


def nih_cohort(
    dataset_dir: str | Path | None,
    *,
    split: str | None = "62-20",
    labelled: splits.Share = "10%",
    reference: splits.Share = None,
    test: splits.Share = None,
    seed: int = 0,
    folds: int = 2,
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    name: str | None = None,
    prepared_dir: str | Path | None = None,
    exclude: Sequence[str] = (),
    show: Callable[[str], None] = _logger.warning,
) -> Cohort:
    """A cohort of NIH Pancreas-CT from the folder as downloaded; paired by case number, never by place in a list.

    Scans are converted to NIfTI and labels laid on them at the first call (see :func:`prepare_nih`); later calls only
    look whether the source files are still the same ones. Scans 25 and 70, which TCIA withdrew, are left out.

    Args:
        dataset_dir: the folder that holds, at any depth to four, ``PANCREAS_0001`` ... and ``label0001.nii.gz`` ...;
            or a folder of converted cases, brought here without their sources.
        split: a name of :func:`nih_splits`, which fixes the test set and the labelled lists; or None to draw all roles
            from the cases that are there.
        labelled: "10%" or "20%" for the list of the split, a number of cases, a list of ids, or None for all that
            remain.
        reference: number of cases, list of ids, or None for all that remain.
        test: with a split None, as the split fixes it, or 0 to leave its test set out; without, number of cases, list
            of ids, or None for no test set.
        seed: of all draws.
        folds: number of reference folds.
        label_names: name of each class index; None for 1 "pancreas".
        label_map: class index of each value in the prepared labels (0 and 1).
        name: of the cohort; None gives "NIH Pancreas-CT" and the split.
        prepared_dir: where converted cases are kept; None is ``prepared`` in ``dataset_dir``.
        exclude: ids to leave out, for cases whose files are at fault.
        show: gets a line for whatever a person should know.

    Raises:
        CohortError: when the folder lacks the data set or cases of the split, or with all faults of all cases.
        ConfigError: for an unknown split.
    """
    chosen = _split(split, test)
    pool = prepared_nih(dataset_dir, prepared_dir, split=chosen, without_test=test == 0, exclude=exclude, show=show)
    here = {case.id for case in pool}
    return splits.split(
        pool,
        labelled=_labelled(labelled, chosen, here),
        reference=reference,
        test=[i for i in chosen.test if i in here] if chosen is not None and test is None else test,
        seed=seed,
        folds=folds,
        name=name or f"NIH Pancreas-CT{f', {split}' if split else ''}",
        label_names=label_names or {1: "pancreas"},
        label_map=label_map,
    )


def prepared_nih(
    dataset_dir: str | Path | None,
    prepared_dir: str | Path | None = None,
    *,
    split: NihSplit | None = None,
    without_test: bool = False,
    exclude: Sequence[str] = (),
    show: Callable[[str], None] = _logger.warning,
) -> list[Case]:
    """All cases of the folder, converted where they are not yet; see :func:`nih_cohort`.

    Args:
        dataset_dir: the folder as downloaded, or one that holds what was converted elsewhere.
        prepared_dir: where converted cases are kept; None is ``prepared`` in ``dataset_dir``.
        split: the partition whose cases must all be there.
        without_test: leave the test set of ``split`` out.
        exclude: ids to leave out.
        show: gets a line for whatever a person should know.

    Raises:
        CohortError: when the folder lacks the data set or cases of the split, or with all faults of all cases.
    """
    if not dataset_dir:
        raise CohortError("No data set was given: set dataset_dir to the folder of Pancreas-CT as downloaded.")
    folder = Path(os.path.abspath(as_given(dataset_dir)))
    ready = converted_nih(folder)
    cases, faults = ([], []) if ready else find_nih(folder)
    ids = _wanted([case.id for case in ready or cases], folder, exclude, show)
    if split is not None:
        _require_complete(split, ids, exclude)
        ids -= {*split.test} if without_test else set()
    if not ready:
        kept = Path(os.path.abspath(as_given(prepared_dir))) if prepared_dir else folder / "prepared"
        ready, more = prepare_nih([case for case in cases if case.id in ids], kept, show)
        if faults := [*(fault for fault in faults if fault.split(" ", 1)[0] in ids), *more]:
            raise CohortError(_report(folder, faults, len(ids)))
    pool = [case for case in ready if case.id in ids]
    if not pool:
        raise CohortError(f"{folder} holds no case that could be used: all were left out.")
    return pool


def _split(name: str | None, test: splits.Share) -> NihSplit | None:
    if name is None:
        return None
    one_of("split", name, list(nih_splits()))
    if test not in (None, 0):
        raise CohortError(f"split {name!r} fixes the test set. Received: test={test!r} too. Set split or test to null.")
    return nih_splits()[name]


def _wanted(ids: Sequence[str], folder: Path, exclude: Sequence[str], show: Callable[[str], None]) -> set[str]:
    """``ids`` without those that TCIA withdrew or the caller excluded."""
    if strange := sorted({*exclude} - {*ids}):
        raise CohortError(f"exclude names {', '.join(strange)}, which {folder} lacks. Ids are like PANCREAS_0001.")
    withdrawn = {nih_id(number) for number in WITHDRAWN}
    if here := sorted(withdrawn & {*ids}):
        show(f"left out: {', '.join(here)}. TCIA withdrew these scans: they are PANCREAS_0002 cropped otherwise.")
    if exclude:
        show(f"left out as asked: {', '.join(exclude)}")
    return {*ids} - withdrawn - {*exclude}


def _require_complete(split: NihSplit, ids: set[str], exclude: Sequence[str]) -> None:
    missing = sorted({*split.test, *split.training} - ids - {*exclude})
    if missing:
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise CohortError(
            f"Split {split.name!r} needs all of its cases; {len(missing)} are not there: "
            f"{', '.join(missing[:8])}{more}. "
            "Download them, name them in exclude, or set split to null and give numbers of cases."
        )


def _labelled(asked: splits.Share, split: NihSplit | None, here: set[str]) -> splits.Share:
    if not isinstance(asked, str):
        return asked
    if split is None:
        raise CohortError(f"labelled={asked!r} is a list of a split, and split is null. Give a number or ids.")
    one_of(f"labelled of split {split.name}", asked, list(split.labelled))
    return [i for i in split.labelled[asked] if i in here]


def _report(folder: Path, faults: Sequence[str], count: int) -> str:
    return (
        f"{len(faults)} faults in the {count} cases of {folder}; nothing of them was used:\n  "
        + "\n  ".join(faults)
        + "\nRepair the files, or name the cases in exclude. Cases without fault are converted already."
    )
