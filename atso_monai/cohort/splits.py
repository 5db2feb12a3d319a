"""Splits: which cases of a pool are labelled, reference and test cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from atso_monai.cohort.case import Case
from atso_monai.cohort.cohort import ROLES, Cohort
from atso_monai.cohort.draw import drawn_order
from atso_monai.cohort.folds import make_folds
from atso_monai.cohort.labels import LabelMap, LabelNames, named_labels
from atso_monai.errors import CohortError, nearest

Share = int | Sequence[str] | None
"""How a role is filled: a number of cases to draw, a list of ids, or None for the role's default."""


def split(
    pool: Iterable[Case],
    *,
    labelled: Share = None,
    reference: Share = None,
    test: Share = None,
    seed: int = 0,
    folds: int = 2,
    name: str = "cohort",
    label_names: LabelNames | None = None,
    label_map: LabelMap | None = None,
    ignore: int | None = None,
) -> Cohort:
    """Give each case of a pool its role, by explicit lists and by draws.

    Listed cases go first. Then test, labelled and reference cases are drawn, in this order, each with a draw of its
    own: with one seed the test set stays the same whatever the other numbers are, and the labelled set of 4 is part
    of the labelled set of 12 while the test set stays. Cases that no role takes are left out.

    Args:
        pool: cases with unique ids; those with a ``label`` or ``truth`` can play any role, others reference only.
        labelled: None takes all cases with a label that the other roles leave.
        reference: None takes all cases that the other roles leave; a number draws from cases with and without label
            alike, or, where ``labelled`` is None, from those without label first.
        test: None is 0.
        seed: of all draws, those of the folds included.
        folds: number of reference folds; 0 for a cohort that needs none.
        name: of the cohort.
        label_names: name of each class index, see :func:`atso_monai.cohort.named_labels`.
        label_map: class index of each value in the label files.
        ignore: class index of what counts neither in losses nor in metrics, see :class:`Cohort`.

    Raises:
        CohortError: when ids repeat or are unknown, a listed case lacks a label, or there are too few cases.
    """
    draw = _Draw(pool, {"labelled": labelled, "reference": reference, "test": 0 if test is None else test}, seed)
    draw.take("test", draw.with_label())
    if labelled is not None:
        draw.take("labelled", draw.with_label())
        draw.take("reference", draw.left())
    else:
        draw.take("reference", *_by_label(draw, reference))
        draw.take("labelled", draw.with_label())
    labels, mapping = named_labels(label_names, label_map)
    if mapping is not None and ignore is not None:
        mapping = {ignore: ignore, **mapping}
    chosen = draw.roles
    return Cohort(
        name=name,
        labels=labels,
        label_map=mapping,
        labelled=tuple(draw.pool[i].as_labelled() for i in sorted(chosen["labelled"])),
        reference=tuple(draw.pool[i].as_reference() for i in sorted(chosen["reference"])),
        test=tuple(draw.pool[i].as_labelled() for i in sorted(chosen["test"])),
        folds=make_folds(chosen["reference"], folds, seed),
        ignore=ignore,
    )


def _by_label(draw: _Draw, reference: Share) -> tuple[list[str], list[str]]:
    """Where reference cases come from when all labels left are wanted: those without, then, if counted, the rest."""
    usable = draw.with_label()
    bare = sorted({*draw.left()} - {*usable})
    return bare, usable if isinstance(reference, int) else []


class _Draw:
    """The pool of one split, and who has been taken from it."""

    def __init__(self, pool: Iterable[Case], shares: dict[str, Share], seed: int) -> None:
        cases = list(pool)
        if twice := sorted(i for i, n in Counter(case.id for case in cases).items() if n > 1):
            raise CohortError(f"Case ids must be unique. These occur more than once: {', '.join(twice[:10])}.")
        self.pool = {case.id: case for case in cases}
        self.shares, self.seed = shares, seed
        self.roles: dict[str, list[str]] = {role: [] for role in ROLES}
        for role in ROLES:
            self._take_listed(role)

    def left(self) -> list[str]:
        """Ids that no role has taken."""
        taken = {i for ids in self.roles.values() for i in ids}
        return [i for i in self.pool if i not in taken]

    def with_label(self) -> list[str]:
        """Ids of cases with a known label that no role has taken."""
        return [i for i in self.left() if self.pool[i].as_labelled().label is not None]

    def take(self, role: str, *sources: list[str]) -> None:
        """Fill ``role`` from ``sources``, the first one first; None takes all. Roles filled by a list are done."""
        share = self.shares[role]
        if share is not None and not isinstance(share, int):
            return
        order = [i for ids in sources for i in drawn_order(ids, self.seed, role)]
        if share is not None and share > len(order):
            raise CohortError(self._too_few(role, share, len(order)))
        self.roles[role] = order[:share]

    def _take_listed(self, role: str) -> None:
        share = self.shares[role]
        if share is None or (isinstance(share, int) and not isinstance(share, bool) and share >= 0):
            return
        if isinstance(share, int | str) or not isinstance(share, Sequence):
            raise CohortError(f"{role} must be a number of cases or a list of case ids. Received: {role}={share!r}.")
        ids = [str(i) if str(i) in self.pool else str(i).replace("::", "#") for i in share]  # as MONAI rewrites "#"
        self._check_listed(role, ids)
        self.roles[role] = ids

    def _check_listed(self, role: str, ids: list[str]) -> None:
        """Refuse ids that are unknown, have a role already, are listed twice, or lack the label that the role needs."""
        wrong = [f"{i!r} is no case of this pool.{nearest(i, self.pool)}" for i in ids if i not in self.pool]
        wrong += [f"{i!r} is listed {n} times." for i, n in Counter(ids).items() if n > 1]
        for other, taken in self.roles.items():
            wrong += [f"{i!r} is listed as {other} too." for i in sorted({*ids} & {*taken})]
        if role != "reference":
            bare = [i for i in ids if i in self.pool and self.pool[i].as_labelled().label is None]
            wrong += [f"{i!r} has no label file, so it can only be a reference case." for i in bare]
        if wrong:
            more = f"\n  ... and {len(wrong) - 20} more" if len(wrong) > 20 else ""
            raise CohortError(f"The list of {role} cases cannot be used:\n  " + "\n  ".join(wrong[:20]) + more)

    def _too_few(self, role: str, asked: int, found: int) -> str:
        labelled = sum(case.as_labelled().label is not None for case in self.pool.values())
        taken = ", ".join(f"{r} took {len(ids)}" for r, ids in self.roles.items() if ids)
        need = "cases" if role == "reference" else "cases with a label"
        return (
            f"{role}={asked} cases were asked for, but {found} {need} are left: the pool has {len(self.pool)} cases, "
            f"{labelled} of them with a label{', and ' + taken if taken else ''}. Ask for fewer, or add cases."
        )
