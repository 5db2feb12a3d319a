"""One cohort of several sources: labelled cases of one data set, reference and test cases of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.labels import LabelNames, named_labels
from atso_monai.errors import CohortError

Source = Cohort | Callable[[], Cohort]


def joined_cohort(
    sources: Mapping[str, Source],
    *,
    seed: int = 0,
    folds: int = 2,
    label_names: LabelNames | None = None,
    name: str | None = None,
) -> Cohort:
    """Put cohorts together, role by role.

    Each source fills the roles that it is to play (0 cases for others) and maps its own label values to the classes
    that all share; its cases keep that map. Ids become ``<source>_<id>``, so that two sources may use the same ones.
    Folds of the sources are dropped: the reference cases of all are dealt anew, so give the sources ``folds: 0``.

    Args:
        sources: cohorts, or functions that make them, by a short name such as "nih".
        seed: of the folds.
        folds: number of reference folds.
        label_names: name of each class index; None takes those of the sources, which must then agree.
        name: of the cohort; None joins those of the sources by "+".

    Raises:
        CohortError: without sources, for a source's name that cannot be part of an id, when class names differ, or as
            the sources themselves do.
    """
    if not sources or not all(isinstance(key, str) and key.strip() for key in sources):
        raise CohortError(f"sources needs a cohort for each of one or more names. Received: {list(sources)}.")
    cohorts = {key: source if isinstance(source, Cohort) else source() for key, source in sources.items()}
    labels = _shared_labels(cohorts) if label_names is None else named_labels(label_names, None)[0]
    whole = Cohort(
        name=name or "+".join(cohort.name for cohort in cohorts.values()),
        labels=labels,
        labelled=tuple(_own(key, case, cohort) for key, cohort in cohorts.items() for case in cohort.labelled),
        reference=tuple(_own(key, case, cohort) for key, cohort in cohorts.items() for case in cohort.reference),
        test=tuple(_own(key, case, cohort) for key, cohort in cohorts.items() for case in cohort.test),
        ignore=_shared_ignore(cohorts),
    )
    return whole.with_folds(folds, seed)


def _own(key: str, case: Case, cohort: Cohort) -> Case:
    """A case under its joint id, with the label map of its source."""
    return replace(case, id=f"{key}_{case.id}", label_map=cohort.label_map_of(case))


def _shared_labels(cohorts: Mapping[str, Cohort]) -> dict[int, str]:
    first, *others = cohorts
    for other in others:
        if cohorts[other].labels != cohorts[first].labels:
            raise CohortError(
                f"The classes of the sources differ: {first} has {cohorts[first].labels}, {other} has "
                f"{cohorts[other].labels}. Map the values of each by its label_map, or set label_names."
            )
    return dict(cohorts[first].labels)


def _shared_ignore(cohorts: Mapping[str, Cohort]) -> int | None:
    found = {key: cohort.ignore for key, cohort in cohorts.items()}
    if len(set(found.values())) > 1:
        raise CohortError(f"The sources ignore different classes: {found}. Give all of them the same.")
    return next(iter(found.values()))
