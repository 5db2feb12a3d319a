"""The pieces that the plans of all strategies are made of."""

from __future__ import annotations

from atso_monai.engine.plan import GIVEN, LABELLED, TEST, TRUTH, Outcome, Score, Step
from atso_monai.engine.scheme import Scheme
from atso_monai.engine.variant import Variant


class Collector:
    """Collects the steps of one strategy; every artefact but those of generation 0 carries the strategy's prefix.

    Generation 0 is shared by all strategies with the same overlay and classes; for one that comes after another
    strategy, ``before``, the last model and labels of that one take its place.
    """

    def __init__(self, scheme: Scheme, strategy: str, before: Outcome | None) -> None:
        self.scheme, self.strategy, self.before = scheme.of(strategy), strategy, before
        self.kind, self.prefix = scheme.kind(strategy), "" if strategy == scheme.strategy else f"compare/{strategy}/"
        own = scheme.variants.get(strategy, Variant("supervised"))
        self.overlay, self.reduced = own.overlay, own.reduced
        words = list(dict.fromkeys(w for w in (own.overlay, "reduced" * own.reduced, str(own.epochs or "")) if w))
        self.base = f"base/{'-'.join(words)}/" if words else ""
        self.zero = " ".join(["0", *words])
        self.first_model = before.models[0].rsplit("/", 1)[0] if before else f"{self.base}model/g0"
        self.first_labels = before.labels[0].rsplit("/", 1)[0] if before else f"{self.base}labels/g1"
        self.steps: list[Step] = []

    def _own(self, name: str) -> str:
        return self.prefix + name

    def _labels_of(self, t: int) -> str:
        """Folder of the labels that generation t trains on; those of the first come from M_0 and are shared."""
        return self.first_labels if t == 1 else self._own(f"labels/g{t}")

    def _reference_sets(self, labels: str) -> list[tuple[str, str]]:
        """S and all of R with the pseudo labels of one folder."""
        return [(LABELLED, GIVEN)] + [(f, f"{labels}/{f}") for f in self.scheme.fold_names]

    def _compared(self) -> str:
        """The strategy whose epochs the control gets: ATSO, else the first that labels, else M_0 alone."""
        named = (self.scheme.strategy, *self.scheme.compare)
        order = ("atso", *(s for s in named if s in ("stso", "self_learning")), "supervised")
        return next((s for s in order if s in named), "atso")

    def _start(self, t: int, teacher: str) -> tuple[str | None, bool]:
        start = "teacher" if self.kind == "self_learning" else self.scheme.start
        if start == "scratch":
            return None, False
        if start == "snapshot":
            return "model/g0", True
        return (self.first_model if t == 1 else self._own(teacher)), False

    def _final_start(self, last: int) -> tuple[str | None, bool]:
        return self._start(last + 1, f"model/g{last}/{self.scheme.fold_names[0]}")

    def _train(
        self,
        makes: str,
        sets: list[tuple[str, str]],
        epochs: int,
        generation: str,
        start: str | None = None,
        snapshot: bool = False,
    ) -> tuple[str, ...]:
        labels = tuple(source for _, source in sets if source not in (GIVEN, TRUTH))
        for view in self.scheme.views:
            begin = None if start is None else f"{start}/{view}"
            needs = labels if begin is None else (*labels, begin)
            self._add(
                makes=self._own(f"{makes}/{view}"), kind="train", needs=needs, view=view, epochs=epochs,
                sets=tuple(sets), start=begin, snapshot=snapshot, generation=generation,
                grouped=any(self._grouped(source) for source in labels),
            )  # fmt: skip
        return tuple(self._own(f"{makes}/{view}") for view in self.scheme.views)

    def _grouped(self, source: str) -> bool:
        """Whether labels know the reduced classes only, where this strategy has all."""
        reduced = self.before is not None and self.before.reduced
        return reduced and not self.reduced and source.rsplit("/", 1)[0] == self.first_labels

    def _predict(self, makes: str, model: tuple[str, ...], cases: list[str], generation: str) -> str:
        self._add(makes=self._own(makes), kind="predict", needs=model, cases=tuple(cases), generation=generation)
        return self._own(makes)

    def _predict_test(self, makes: str, model: tuple[str, ...], generation: str) -> None:
        if self.scheme.test:
            self._predict(makes, model, [TEST], generation)

    def _label_all(self, makes: str, model: tuple[str, ...], generation: str) -> None:
        for fold in self.scheme.fold_names:
            self._predict(f"{makes}/{fold}", model, [fold], generation)

    def _test_scores(self, predictions: str, model: str) -> list[Score]:
        return [Score(TEST, predictions, TRUTH, "dsc", model)] if self.scheme.test else []

    def _label_scores(self, t: int, after: str) -> list[Score]:
        """DSC of the updated pseudo labels, and how far they moved from those of the generation before."""
        scores = []
        for fold in self.scheme.fold_names:
            new, old = self._own(f"{after}/{fold}"), f"{self._labels_of(t)}/{fold}"
            scores.append(Score(fold, new, TRUTH, "dsc", "labels"))
            if not self._grouped(old):  # labels of other classes have nothing to be compared with
                scores.append(Score(fold, new, old, "change", "labels"))
        return scores

    def _score(self, makes: str, scores: list[Score], generation: str) -> None:
        needs = dict.fromkeys(name for s in scores for name in (s.left, s.right) if name != TRUTH)
        self._add(makes=self._own(makes), kind="score", needs=tuple(needs), scores=tuple(scores), generation=generation)

    def _add(self, **values: object) -> None:
        own = {"strategy": self.strategy, "overlay": self.overlay, "reduced": self.reduced}
        self.steps.append(Step(**own, **values))  # type: ignore[arg-type]

    def _outcome(self, model: str, labels: str, generation: str, prefix: str | None = None) -> Outcome:
        at = self.prefix if prefix is None else prefix
        models = tuple(f"{at}{model}/{view}" for view in self.scheme.views)
        names = tuple(f"{at}{labels}/{f}" for f in self.scheme.fold_names)
        first = "" if self.before else self.zero
        return Outcome(self.strategy, models, names, generation, self.kind, first, self.overlay, self.reduced)
