"""What shapes a plan: the strategy, its folds, generations and lengths; checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from atso_monai.checkpoint import Interval
from atso_monai.engine.plan import fold_name
from atso_monai.engine.variant import Variant, read_variants
from atso_monai.errors import ConfigError, nearest, one_of
from atso_monai.views import VIEWS, WHOLE

STRATEGIES = ("supervised", "supervised_matched", "self_learning", "stso", "atso", "oracle")
STARTS = ("scratch", "snapshot", "teacher")
FINAL_LABELS = ("updated", "algorithm_1")


@dataclass(frozen=True)
class Scheme:
    """All that shapes a plan.

    Attributes:
        strategy: the strategy whose model and labels the run delivers.
        compare: further strategies to run beside it, for the tables.
        views: one network per view; ``whole`` alone for a bundle that knows no views.
        folds: number of reference folds.
        generations: number of teacher-student rounds, T in the paper.
        first_epochs: epochs of M_0.
        later_epochs: epochs of every other training.
        start: where the students of ``stso`` and ``atso`` start.
        evaluate_each_generation: train each generation's own M_t on S and all of R for the tables.
        final_labels: ``updated`` labels R once more after the last generation; ``algorithm_1`` reads line 8 of
            Algorithm 1 to the letter and trains the final model on the labels of the last generation.
        diagnostics: let each fold model also predict the reference cases that it trained on (the paper's table 4).
        test: whether there are test cases.
        variants: strategies of one's own, by name, see :class:`~atso_monai.engine.variant.Variant`.
    """

    strategy: str
    compare: tuple[str, ...]
    views: tuple[str, ...]
    folds: int
    generations: int
    first_epochs: int
    later_epochs: int
    start: str = "scratch"
    evaluate_each_generation: bool = False
    final_labels: str = "updated"
    diagnostics: bool = True
    test: bool = True
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variants", read_variants(mapped("variants", self.variants), STRATEGIES))
        for name in (self.strategy, *self.compare):
            one_of("strategy", name, (*STRATEGIES, *self.variants))
        one_of("start", self.start, STARTS)
        one_of("final_labels", self.final_labels, FINAL_LABELS)
        at_least("generations", self.generations, 1)
        at_least("folds", self.folds, 2 if "atso" in map(self.kind, self.names) else 1)
        at_least("epochs first", self.first_epochs, 1)
        at_least("epochs later", self.later_epochs, 1)
        for view in self.views if self.views != (WHOLE,) else ():
            one_of("views", view, VIEWS)
        if not self.views or len(set(self.views)) != len(self.views):
            raise ConfigError(f"views must name each view once. Received: {list(self.views)}.")
        folded = [name for name in self.names if self.kind(name) == "atso"]
        starts = {self.variants[name].start if name in self.variants else self.start for name in folded}
        if self.folds > 2 and "teacher" in starts:
            raise ConfigError(
                f"start 'teacher' needs one teacher per student, but with {self.folds} folds the labels of an ATSO "
                "student come from several. Use start 'scratch' or 'snapshot', or 2 folds."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """All strategies of the run: the one asked for, those compared, and those that a variant comes after."""
        found = dict.fromkeys((self.strategy, *self.compare))
        queue = list(found)
        while queue:
            before = self.variants[name].after if (name := queue.pop(0)) in self.variants else None
            if before is not None and before not in found:
                found[before] = None
                queue.append(before)
        return tuple(found)

    def kind(self, name: str) -> str:
        """The known strategy that a strategy follows."""
        return self.variants[name].kind if name in self.variants else name

    def of(self, name: str) -> Scheme:
        """The scheme with the settings that a variant has of its own."""
        if name not in self.variants:
            return self
        own = self.variants[name]
        return replace(
            self,
            generations=own.generations or self.generations,
            first_epochs=own.epochs or self.first_epochs,
            later_epochs=own.epochs or self.later_epochs,
            start=own.start,
        )

    @property
    def fold_names(self) -> tuple[str, ...]:
        """``f1``, ``f2``, ..."""
        return tuple(fold_name(k) for k in range(self.folds))


def listed(what: str, value: object) -> tuple[Any, ...]:
    """``value``, called ``what``, as a tuple, and None as an empty one; ConfigError for a text or a single value."""
    if value is not None and not isinstance(value, (list, tuple)):
        raise ConfigError(f"{what} must be a list. Received: {value!r}. Write [{value}].")
    return tuple(value or ())


def mapped(what: str, value: object) -> dict[str, Any]:
    """``value``, called ``what``, as a dict, and None as an empty one; ConfigError for anything else."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{what} must map names to values. Received: {value!r}.")
    return dict(value or {})


def at_least(what: str, value: object, least: int) -> None:
    """Raise ConfigError unless ``value``, called ``what``, is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{what} must be a whole number of at least {least}. Received: {value!r}.")


def known_keys(what: str, given: Mapping[str, Any], known: Sequence[str], complete: bool = False) -> None:
    """Raise ConfigError unless all keys of ``given``, called ``what``, are known, and, where asked, ``complete``."""
    for key in given:
        if key not in known:
            raise ConfigError(f"{what} takes {', '.join(known)}. Received: {key!r}.{nearest(str(key), known)}")
    if complete and len(given) < len(known):
        raise ConfigError(f"{what} needs {' and '.join(known)}. Received: {dict(given)}.")


def checkpoint_interval(given: Mapping[str, Any]) -> Interval:
    """``{"minutes": 10}`` or ``{"iterations": 500}``, or both, as an interval; an empty one is the default.

    Raises:
        ConfigError: for anything else.
    """
    known_keys("checkpoint", given, ("minutes", "iterations"))
    for name, value in given.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            raise ConfigError(f"checkpoint {name} must be a number above 0. Received: {value!r}.")
    return Interval(**{"minutes": 0, **given}) if given else Interval()
