"""Reference folds: which reference cases are labelled by the same model."""

from __future__ import annotations

from collections.abc import Iterable

from atso_monai.cohort.draw import drawn_order
from atso_monai.errors import CohortError

Folds = tuple[tuple[str, ...], ...]


def make_folds(ids: Iterable[str], count: int, seed: int) -> Folds:
    """Deal case ids into ``count`` folds by seed, whatever order they come in.

    Returns:
        ``count`` tuples of ids, each sorted; their sizes differ by at most one. No folds where ``count`` is 0.

    Raises:
        CohortError: when ``count`` is negative, or there are fewer ids than folds.
    """
    order = drawn_order(ids, seed, "folds")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise CohortError(f"The number of folds must be 0 or more. Received: folds={count!r}.")
    if len(order) < count:
        raise CohortError(
            f"There are fewer reference cases ({len(order)}) than folds ({count}). "
            "Add reference cases, or lower folds (0 for a run without reference cases)."
        )
    return tuple(tuple(sorted(order[k::count])) for k in range(count))
