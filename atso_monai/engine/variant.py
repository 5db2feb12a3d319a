"""Strategies of one's own: a known one with other settings, or one that goes on where another one ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from atso_monai.errors import ConfigError, nearest, one_of

KINDS = ("supervised", "self_learning", "stso", "atso", "oracle")
STARTS = ("scratch", "teacher")


@dataclass(frozen=True)
class Variant:
    """A strategy by configuration.

    ATSO 5 -> 19 of section 5.2, for example, is a chain of three: ``{kind: atso, reduced: true}``, after it ``{kind:
    stso, generations: 1}``, which learns all classes from the reduced labels, and after that ``{kind: self_learning,
    generations: 1}``, which goes on with its own labels and weights.

    Attributes:
        kind: the strategy it follows.
        after: the strategy whose last model and pseudo labels take the place of M_0 and its labels; None: M_0.
        overlay: overlay of the bundle's configurations for its trainings and predictions; empty: none.
        reduced: whether it learns and predicts the reduced classes of the run.
        generations: teacher-student rounds; None: those of the run.
        epochs: length of each of its trainings; None: those of the run.
        start: where its students start: ``scratch`` or ``teacher``; ``self_learning`` always starts from the teacher.

    Raises:
        ConfigError: for values that no plan can have.
    """

    kind: str
    after: str | None = None
    overlay: str = ""
    reduced: bool = False
    generations: int | None = None
    epochs: int | None = None
    start: str = "scratch"

    def __post_init__(self) -> None:
        one_of("variants kind", self.kind, KINDS)
        one_of("variants start", self.start, STARTS)
        for name in ("generations", "epochs"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"variants {name} must be a whole number from 1, or null. Received: {value!r}.")
        if self.after and self.kind in ("supervised", "oracle"):
            raise ConfigError(f"A variant of kind {self.kind} learns from no pseudo labels: it can have no after.")

    @property
    def from_teacher(self) -> bool:
        """Whether its first student starts with the weights of the model before it."""
        return self.kind == "self_learning" or self.start == "teacher"


def read_variants(content: Mapping[str, Any], strategies: tuple[str, ...]) -> dict[str, Variant]:
    """Variants from configuration, each ``{kind, ...}`` or a :class:`Variant` already.

    Raises:
        ConfigError: names the variant and what is unknown, circular, or does not fit in it.
    """
    known = [one.name for one in fields(Variant)]
    found: dict[str, Variant] = {}
    for name, values in content.items():
        if name in strategies or not name.isidentifier():
            raise ConfigError(f"A variant needs a name of its own, of letters, digits and _. Received: {name!r}.")
        if not isinstance(values, (Variant, Mapping)):
            raise ConfigError(f"The variant {name} must map {', '.join(known)} to values. Received: {values!r}.")
        given = dict(values) if isinstance(values, Mapping) else {}
        for key in given:
            if key not in known:
                raise ConfigError(f"The variant {name} has no setting {key!r}.{nearest(key, known)}")
        if isinstance(values, Mapping) and "kind" not in given:
            raise ConfigError(f"The variant {name} needs a kind: {', '.join(KINDS)}.")
        found[name] = values if isinstance(values, Variant) else Variant(**given)
    for name in found:
        _check_chain(name, found, strategies)
    return found


def _check_chain(name: str, variants: Mapping[str, Variant], strategies: tuple[str, ...]) -> None:
    """Follow ``after`` to its end; refuse circles, unknown names, and weights that cannot fit."""
    seen, at = [name], variants[name].after
    while at is not None:
        one_of(f"after of the variant {seen[-1]}", at, (*strategies, *variants))
        if at in seen:
            raise ConfigError(f"The variants {', '.join(seen)} wait for each other: take one of their after away.")
        before = variants.get(at)
        if variants[seen[-1]].from_teacher and variants[seen[-1]].reduced != bool(before and before.reduced):
            raise ConfigError(
                f"The variant {seen[-1]} starts with the weights of {at}, which has other classes. Use kind stso or "
                "atso with start scratch."
            )
        if variants[seen[-1]].reduced and not (before and before.reduced):
            raise ConfigError(f"The variant {seen[-1]} has reduced classes, so {at} before it must have them too.")
        seen.append(at)
        at = before.after if before else None
