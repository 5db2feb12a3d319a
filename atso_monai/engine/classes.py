"""All classes of a cohort, and the reduced ones that a variant may learn."""

from __future__ import annotations

from dataclasses import dataclass

from atso_monai.cohort import Case, Cohort
from atso_monai.label_maps import LabelTable


@dataclass(frozen=True)
class Classes:
    """What class indices mean in a step.

    Attributes:
        cohort: gives all classes, and the meaning of its label files.
        reduction: the reduced classes, and the one that each class belongs to; None where no step has them.
    """

    cohort: Cohort
    reduction: LabelTable | None = None

    def names(self, reduced: bool) -> dict[int, str]:
        """Names of the classes, or of the reduced classes."""
        return self.reduction.labels if reduced and self.reduction else self.cohort.labels

    def of_file(self, case: Case, reduced: bool) -> dict[int, int] | None:
        """Class index of each value in the label files of a case; None where they hold class indices."""
        known = self.cohort.label_map_of(case)
        if not reduced or self.reduction is None:
            return known
        own = known if known is not None else {i: i for i in (*self.cohort.labels, self.cohort.ignore) if i is not None}
        return {value: self.reduction.mapping.get(index, index) for value, index in own.items()}

    def of_group(self) -> dict[int, int]:
        """Label of each reduced class beside all classes: it comes after them, see ``ReducedClassLoss``."""
        return {index: len(self.cohort.labels) + index for index in self.names(reduced=True)}
