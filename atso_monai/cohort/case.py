"""One scan, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One scan by name, with the files that belong to it.

    ``label`` and ``truth`` are two fields so that what training may read and what only metrics may read can never be
    the same attribute.

    Attributes:
        id: name of the case, unique in its cohort; it becomes part of file names.
        image: volume file of the scan.
        label: volume file of the true label, of labelled and test cases.
        truth: volume file of the true label of a reference case, where it happens to be known; for metrics only.
        label_map: class index of each value in this case's label files; None takes the cohort's. For cohorts of
            several sources.
    """

    id: str
    image: Path
    label: Path | None = None
    truth: Path | None = None
    label_map: dict[int, int] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for key in ("image", "label", "truth"):
            value = getattr(self, key)
            if isinstance(value, str):
                object.__setattr__(self, key, Path(value))

    def bare(self) -> Case:
        """The case with its image alone."""
        return Case(self.id, self.image, label_map=self.label_map)

    def as_labelled(self) -> Case:
        """The case with whatever true label it has as ``label``."""
        return Case(self.id, self.image, label=self.label or self.truth, label_map=self.label_map)

    def as_reference(self) -> Case:
        """The case with whatever true label it has as ``truth``, out of reach of training."""
        return Case(self.id, self.image, truth=self.label or self.truth, label_map=self.label_map)
