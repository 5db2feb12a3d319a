"""Labels of one data set for the images of another (ATSO, section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from atso_monai.cohort.cohort import Cohort
from atso_monai.errors import CohortError


def transfer_cohort(source: Cohort | Callable[[], Cohort], target: Cohort | Callable[[], Cohort]) -> Cohort:
    """The labelled set of one cohort with the reference and test sets, and the folds, of another.

    Args:
        source: gives S and the meaning of its label files.
        target: gives R, E and the meaning of theirs; it needs no labelled cases.

    Raises:
        CohortError: when the two name their classes differently.
    """
    first = source if isinstance(source, Cohort) else source()
    second = target if isinstance(target, Cohort) else target()
    if first.labels != second.labels or first.ignore != second.ignore:
        raise CohortError(
            f"{first.name!r} and {second.name!r} must have the same classes. Received: {first.labels} and "
            f"{second.labels}. Set label_names and label_map of both."
        )
    return replace(
        second,
        name=f"{first.name} to {second.name}",
        labelled=first.labelled,
        label_map=first.label_map,
        truth_map=second.map_of("test") if second.map_of("test") != first.label_map else None,
    )
