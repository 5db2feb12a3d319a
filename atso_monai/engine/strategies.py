"""The strategies of the paper and their controls, as plans over the same steps (Huo et al., Algorithm 1).

| strategy | students start | trained on | source |
| --- | --- | --- | --- |
| ``supervised`` | new | S | section 2.1, M_0 |
| ``supervised_matched`` | new | S, as many steps as the strategy compared spends in all | control |
| ``self_learning`` | from their teacher | S and R, labelled by the last model | section 2.1 |
| ``stso`` | new | S and R, labelled by the last model | section 4.2 |
| ``atso`` | new | S and the folds of R but their own, labelled by models that had not seen them | Algorithm 1 |
| ``oracle`` | new | S and R with their true labels | upper bound |

With ``start: teacher`` an ATSO student begins with the weights of the model that made its labels, which has seen its
own fold: then "no model labels what it learned from" holds for its own training, not for that of its teachers.
"""

from __future__ import annotations

from dataclasses import replace

from atso_monai.engine.collector import Collector
from atso_monai.engine.plan import GIVEN, LABELLED, TEST, TRUTH, Outcome, Plan, Score, Step
from atso_monai.engine.scheme import Scheme


def build_plan(scheme: Scheme) -> Plan:
    """The steps of a strategy and of those that it is compared with or comes after, shared where they are equal."""
    steps: dict[str, Step] = {}
    outcomes: dict[str, Outcome] = {}

    def add(name: str) -> Outcome:
        if name not in outcomes:
            before = scheme.variants[name].after if name in scheme.variants else None
            builder = _Builder(scheme, name, add(before) if before else None)
            outcomes[name] = builder.build()
            for step in builder.steps:
                steps.setdefault(step.makes, step)
        return outcomes[name]

    return Plan(outcomes=tuple(add(name) for name in scheme.names), steps=tuple(steps.values()))


def epochs_in_all(scheme: Scheme, strategy: str) -> int:
    """Epochs that a strategy spends per view, over all its trainings: what ``supervised_matched`` gets for S alone.

    Models that only fill the tables (``evaluate_each_generation``) are not counted: nothing is learned from them.
    """
    steps = build_plan(replace(scheme, strategy=strategy, compare=(), evaluate_each_generation=False)).steps
    return sum(step.epochs for step in steps if step.kind == "train" and step.view == scheme.views[0])


class _Builder(Collector):
    """The plan of one strategy."""

    def build(self) -> Outcome:
        """Add all steps of the strategy and say what it leaves."""
        if self.kind in ("supervised_matched", "oracle"):
            return self._one_training()
        if self.before is None:
            self._generation_0()
        if self.kind == "supervised":
            return self._outcome("model/g0", "labels/g1", self.zero, prefix=self.base)
        return self._folds() if self.kind == "atso" else self._synchronous()

    def _one_training(self) -> Outcome:
        matched = self.kind == "supervised_matched"
        # later trainings are the shorter ones where they go on from a snapshot; these two start anew
        longest = max(self.scheme.first_epochs, self.scheme.later_epochs)
        epochs = epochs_in_all(self.scheme, self._compared()) if matched else longest
        sets = [(LABELLED, GIVEN)] + ([] if matched else [(f, TRUTH) for f in self.scheme.fold_names])
        model = self._train("model/final", sets, epochs, "final")
        self._finish(model, "final", "final")
        return self._outcome("model/final", "labels/final", "final")

    def _generation_0(self) -> None:
        own, self.prefix = self.prefix, self.base
        model = self._train("model/g0", [(LABELLED, GIVEN)], self.scheme.first_epochs, self.zero)
        self._label_all("labels/g1", model, self.zero)
        self._predict_test("predictions/g0", model, self.zero)
        scores = self._test_scores(self._own("predictions/g0"), "all")
        scores += [Score(f, f"{self.first_labels}/{f}", TRUTH, "dsc", "labels") for f in self.scheme.fold_names]
        self._score("metrics/g0", scores, self.zero)
        self.prefix = own

    def _synchronous(self) -> Outcome:
        """Self-learning and STSO: each model trains on all of R, labelled by the model before it."""
        last = self.scheme.generations
        for t in range(1, last + 1):
            start, snapshot = self._start(t, f"model/g{t - 1}")
            model = self._train(
                f"model/g{t}",
                self._reference_sets(self._labels_of(t)),
                self.scheme.later_epochs,
                str(t),
                start,
                snapshot,
            )
            after = "labels/final" if t == last else f"labels/g{t + 1}"
            self._label_all(after, model, str(t))
            self._predict_test(f"predictions/g{t}", model, str(t))
            scores = self._test_scores(self._own(f"predictions/g{t}"), "all")
            self._score(f"metrics/g{t}", scores + self._label_scores(t, after), str(t))
        return self._outcome(f"model/g{last}", "labels/final", str(last))

    def _folds(self) -> Outcome:
        """ATSO: model (t, k) trains on the folds other than k and then labels fold k, which it has not seen."""
        last = self.scheme.generations
        for t in range(1, last + 1):
            after = "labels/final" if t == last else f"labels/g{t + 1}"
            scores: list[Score] = []
            for fold in self.scheme.fold_names:
                scores += self._fold_model(t, fold, after)
            scores += self._agreement(t, after)
            if self.scheme.evaluate_each_generation and t < last:
                scores += self._full_model(
                    f"model/g{t}/full", f"predictions/g{t}/full", self._reference_sets(self._own(after)), str(t)
                )
            self._score(f"metrics/g{t}", scores + self._label_scores(t, after), str(t))
        newest = self._own("labels/final") if self.scheme.final_labels == "updated" else self._labels_of(last)
        sets = self._reference_sets(newest)
        model = self._train("model/final", sets, self.scheme.later_epochs, "final", *self._final_start(last))
        self._finish(model, "final", "final", labels=False)
        return self._outcome("model/final", "labels/final", "final")

    def _fold_model(self, t: int, fold: str, after: str) -> list[Score]:
        others = [f for f in self.scheme.fold_names if f != fold]
        sets = [(LABELLED, GIVEN)] + [(f, f"{self._labels_of(t)}/{f}") for f in others]
        start, snapshot = self._start(t, f"model/g{t - 1}" if t == 1 else f"model/g{t - 1}/{others[0]}")
        model = self._train(f"model/g{t}/{fold}", sets, self.scheme.later_epochs, str(t), start, snapshot)
        self._predict(f"{after}/{fold}", model, [fold], str(t))
        scores = [Score(fold, self._own(f"{after}/{fold}"), TRUTH, "dsc", fold)]
        cases = ([TEST] if self.scheme.test else []) + (others if self.scheme.diagnostics else [])
        if cases:
            made = self._predict(f"predictions/g{t}/{fold}", model, cases, str(t))
            scores += [Score(c, made, TRUTH, "dsc", fold) for c in cases]
        return scores

    def _agreement(self, t: int, after: str) -> list[Score]:
        """Per case: the model that did not see it against each model that did."""
        if not self.scheme.diagnostics:
            return []
        names = self.scheme.fold_names
        return [
            Score(f, self._own(f"{after}/{f}"), self._own(f"predictions/g{t}/{other}"), "agreement", f"{f}-{other}")
            for f in names
            for other in names
            if other != f
        ]

    def _full_model(self, makes: str, predictions: str, sets: list[tuple[str, str]], generation: str) -> list[Score]:
        model = self._train(makes, sets, self.scheme.later_epochs, generation, *self._final_start(int(generation)))
        self._predict_test(predictions, model, generation)
        return self._test_scores(self._own(predictions), "full")

    def _finish(self, model: tuple[str, ...], name: str, generation: str, labels: bool = True) -> None:
        """Predict the test set (and, for strategies of one training, R) with the final model and score it."""
        self._predict_test(f"predictions/{name}", model, generation)
        scores = self._test_scores(self._own(f"predictions/{name}"), "final")
        if labels:
            self._label_all("labels/final", model, generation)
        scores += [Score(f, self._own(f"labels/final/{f}"), TRUTH, "dsc", "labels") for f in self.scheme.fold_names]
        self._score(f"metrics/{name}", scores, generation)
