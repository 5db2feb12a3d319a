"""Who is who: the labelled set S, the reference set R with its folds, and the test set E."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from atso_monai.cohort import datalist
from atso_monai.cohort.case import Case
from atso_monai.cohort.folds import Folds, make_folds
from atso_monai.errors import CohortError
from atso_monai.files import as_given

ROLES = ("labelled", "reference", "test")


@dataclass(frozen=True)
class Cohort:
    """The cases of a study by role, and what their labels mean.

    Attributes:
        name: for people; part of no hash.
        labels: name of each class index (after ``label_map``); 0 is the background.
        label_map: class index of each value in the label files, or None where the files hold class indices; a case with
            a ``label_map`` of its own keeps to that.
        labelled: the labelled set S; each case has a ``label``.
        reference: the reference set R; a case may have a ``truth``, which only metrics read.
        test: the test set E; a case has a ``label``, which only metrics read.
        folds: ids of the reference cases of each fold; empty where none are drawn yet.
        ignore: class index (after ``label_map``) of what nobody labelled: it counts in no loss and in no metric. It is
            none of ``labels``, and class 0 is a class like any other where it is set. None: there is nothing to ignore.

    Raises:
        CohortError: when a reference case has a ``label``, or another one a ``truth``.
    """

    name: str
    labels: dict[int, str]
    label_map: dict[int, int] | None = None
    labelled: tuple[Case, ...] = ()
    reference: tuple[Case, ...] = ()
    test: tuple[Case, ...] = ()
    folds: Folds = field(default=())
    ignore: int | None = None

    def __post_init__(self) -> None:
        for role in ROLES:
            object.__setattr__(self, role, tuple(getattr(self, role)))
        object.__setattr__(self, "folds", tuple(tuple(fold) for fold in self.folds))
        for case in self.reference:
            if case.label is not None:
                raise CohortError(f"Reference case {case.id!r} has a label, {case.label}: its place is truth.")
        for case in self.labelled + self.test:
            if case.truth is not None:
                raise CohortError(f"Case {case.id!r} has a truth, {case.truth}, but is no reference case: use label.")

    def blind(self) -> Cohort:
        """The cohort without the truth of reference cases and the labels of test cases: all that training may see."""
        return replace(
            self,
            labelled=tuple(replace(case, truth=None) for case in self.labelled),
            reference=tuple(case.bare() for case in self.reference),
            test=tuple(case.bare() for case in self.test),
        )

    def label_map_of(self, case: Case) -> dict[int, int] | None:
        """Class index of each value in the label files of ``case``, or None where they hold class indices."""
        return self.label_map if case.label_map is None else case.label_map

    def revealed(self) -> Cohort:
        """The cohort in which every reference case with a known truth is a labelled case (strategy ``oracle`` only).

        Reference cases without truth stay; folds keep only these, and a fold that loses all of its cases goes.
        """
        known = tuple(case.as_labelled() for case in self.reference if case.truth is not None)
        left = tuple(case for case in self.reference if case.truth is None)
        ids = {case.id for case in left}
        folds = (tuple(i for i in fold if i in ids) for fold in self.folds)
        return replace(
            self, labelled=self.labelled + known, reference=left, folds=tuple(fold for fold in folds if fold)
        )

    def truths(self) -> dict[str, Path]:
        """True label file of each reference and test case that has one, by id: what metrics compare with."""
        known = {case.id: case.truth for case in self.reference} | {case.id: case.label for case in self.test}
        return {name: path for name, path in known.items() if path is not None}

    def with_folds(self, count: int, seed: int) -> Cohort:
        """The cohort with its reference cases dealt into ``count`` folds.

        Raises:
            CohortError: when there are fewer reference cases than folds.
        """
        return replace(self, folds=make_folds((case.id for case in self.reference), count, seed))

    def fold(self, k: int) -> tuple[Case, ...]:
        """The reference cases of fold ``k``, counted from 0.

        Raises:
            CohortError: when there is no such fold, or it names a case that is no reference case.
        """
        if not 0 <= k < len(self.folds):
            raise CohortError(f"Cohort {self.name!r} has {len(self.folds)} folds, counted from 0. Received: fold {k}.")
        cases = {case.id: case for case in self.reference}
        if strange := [name for name in self.folds[k] if name not in cases]:
            raise CohortError(f"Fold {k} of cohort {self.name!r} names {strange}, which are no reference cases.")
        return tuple(cases[name] for name in self.folds[k])

    @property
    def fingerprint(self) -> str:
        """16 hex digits that say who plays which role, for papers to cite.

        The start of the sha256 of the JSON text ``{"folds": [[id, ...], ...], "labelled": [id, ...], "reference":
        [...], "test": [...]}`` with ids sorted, keys in this order, ASCII escapes, no blanks. Names and file paths
        play no part.
        """
        roles: dict[str, object] = {role: sorted(case.id for case in getattr(self, role)) for role in ROLES}
        roles["folds"] = [sorted(fold) for fold in self.folds]
        text = json.dumps(roles, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self, folder: str | Path) -> dict[str, object]:
        """Content of a cohort file that lies in ``folder``; paths below it become relative to it, others absolute."""
        content: dict[str, object] = {
            "name": self.name,
            "labels": {str(index): name for index, name in sorted(self.labels.items())},
        }
        if self.label_map is not None:
            content["label_map"] = {str(value): index for value, index in sorted(self.label_map.items())}
        if self.ignore is not None:
            content["ignore"] = self.ignore
        for role in ROLES:
            content[role] = [datalist.dump_case(case, folder) for case in getattr(self, role)]
        content["folds"] = [list(fold) for fold in self.folds]
        content["fingerprint"] = self.fingerprint
        return content

    @classmethod
    def from_json(cls, content: object, folder: str | Path, source: str = "cohort") -> Cohort:
        """The cohort that :meth:`to_json` wrote; relative paths count from ``folder``.

        Args:
            content: as ``json.load`` gives it. ``label_map`` and ``fingerprint`` may be missing.
            folder: of the cohort file.
            source: how errors call the content, e.g. the path of the file.

        Raises:
            CohortError: on unknown, missing or malformed entries, and a fingerprint that does not match the content.
        """
        parsed = datalist.parse(content, folder, source)
        cohort = cls(**parsed.fields)
        if parsed.fingerprint not in (None, cohort.fingerprint):
            raise CohortError(
                f"{source}: its fingerprint is {parsed.fingerprint}, but its roles and folds give "
                f"{cohort.fingerprint}: it was changed after it was written. "
                "Restore the file, or, where the change is meant, take the fingerprint out and cite the new one."
            )
        return cohort

    def save(self, path: str | Path) -> Path:
        """Write the cohort file in one go (temporary file, then rename); returns its path."""
        target = Path(path)
        return datalist.write(self.to_json(target.parent), target)

    @classmethod
    def load(cls, path: str | Path) -> Cohort:
        """Read a cohort file.

        Raises:
            CohortError: when it is missing or no JSON, and as :meth:`from_json` does.
        """
        file = as_given(path)
        return cls.from_json(datalist.read(file), file.parent, str(file))
