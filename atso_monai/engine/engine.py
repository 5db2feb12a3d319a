"""ATSO from scans and a few labels to pseudo labels and a model: plan, check, walk, deliver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from atso_monai.bundle import find_bundle, read_config
from atso_monai.cohort import Cohort
from atso_monai.engine import orders, tables
from atso_monai.engine.delivery import deliver_bundle, deliver_labels
from atso_monai.engine.executors import EXECUTORS, start_executor
from atso_monai.engine.orders import Workplace
from atso_monai.engine.plan import Plan
from atso_monai.engine.preflight import (
    bytes_needed,
    content_hashes,
    require_devices,
    require_hounsfield,
    require_reduction,
    require_same_kind,
    training_size,
    try_network,
)
from atso_monai.engine.reporter import Reporter, checking
from atso_monai.engine.run import Run
from atso_monai.engine.run_folder import held, place_cache, require_space, settle
from atso_monai.engine.runner import walk
from atso_monai.engine.scheme import Scheme, at_least, listed, mapped
from atso_monai.engine.strategies import build_plan
from atso_monai.engine.worker import run_step
from atso_monai.errors import ConfigError, nearest
from atso_monai.files import as_given, hash_json, write_text


class Engine:
    """Chains bundle runs over generations and reference folds.

    Nothing is read or written until :meth:`run` (or :meth:`check`) is called.

    Args:
        bundle: the bundle: a folder, or the name of an embedded one.
        cohort: the cohort, or a function that makes it.
        output_dir: the run folder.
        strategy: what to run, see :mod:`atso_monai.engine.strategies`.
        compare: further strategies to run beside it, for the tables.
        generations: teacher-student rounds (T).
        epochs: ``{"first": epochs of M_0, "later": epochs of all others}``, or one number for both.
        views: views with a network each; ``[whole]`` for a bundle that knows no views.
        start: where students start: ``scratch``, ``snapshot`` (of M_0) or ``teacher``.
        evaluate_each_generation: also train and test each generation's own model on all of R.
        final_labels: ``updated`` or ``algorithm_1``, see :class:`~atso_monai.engine.scheme.Scheme`.
        variants: strategies of one's own, by name: settings of :class:`~atso_monai.engine.variant.Variant`.
        reduction: the label map to the reduced classes of variants: the name of one that comes with the package, or the
            path of a JSON file, see :func:`atso_monai.label_maps.load_table`.
        diagnostics: let fold models also predict the reference cases that they trained on.
        seed: of the run; each step's own seed comes from it and the step's name.
        overlays: names of overlays of the bundle's configurations.
        overrides: further ids to set: ``{"train": {id: value}, "inference": {id: value}}``.
        executor: ``local`` (a process per step) or ``inline``.
        workers: steps at a time, with ``local``.
        threads: CPU threads of each step.
        devices: devices to hand out to steps, e.g. ``["cuda:0", "cuda:1"]``; None leaves the choice to the bundle.
        cache_dir: where prepared volumes are kept; None is ``cache/`` in the run folder.

    Raises:
        ConfigError: for values that no run can have.
    """

    def __init__(
        self,
        bundle: str | Path,
        cohort: Cohort | Callable[[], Cohort],
        output_dir: str | Path,
        *,
        strategy: str = "atso",
        compare: Sequence[str] = (),
        generations: int = 2,
        epochs: Mapping[str, int] | int | None = None,
        views: Sequence[str] = ("sagittal", "coronal", "axial"),
        start: str = "scratch",
        evaluate_each_generation: bool = False,
        final_labels: str = "updated",
        diagnostics: bool = True,
        variants: Mapping[str, Mapping[str, Any]] | None = None,
        reduction: str | Path | None = None,
        seed: int = 0,
        overlays: Sequence[str] = (),
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        executor: str = "local",
        workers: int = 2,
        threads: int = 1,
        devices: Sequence[str] | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        self._bundle, self._cohort_or_maker = bundle, cohort
        self._made: Cohort | None = None
        self.run_dir = as_given(output_dir).absolute()
        self._shape = {
            "strategy": strategy, "compare": listed("compare", compare), "views": listed("views", views),
            "generations": generations, "start": start, "evaluate_each_generation": evaluate_each_generation,
            "final_labels": final_labels, "diagnostics": diagnostics, "variants": mapped("variants", variants),
        }  # fmt: skip
        both = {"first": epochs, "later": epochs} if isinstance(epochs, int) else epochs
        self._epochs = mapped("epochs", both) or {"first": 3, "later": 4}
        self._reduction = reduction
        self._seed, self._overlays, self._overrides = seed, listed("overlays", overlays), mapped("overrides", overrides)
        self._executor, self._workers, self._threads = executor, workers, threads
        self._devices = listed("devices", devices)
        self._cache = None if cache_dir is None else as_given(cache_dir).absolute()

    @property
    def cohort(self) -> Cohort:
        """The cohort, made at the first call.

        Raises:
            CohortError: when its source cannot give one.
        """
        if self._made is None:
            source = self._cohort_or_maker
            self._made = source if isinstance(source, Cohort) else source()
        return self._made

    @property
    def scheme(self) -> Scheme:
        """What shapes the plan; ConfigError for values that no plan can have."""
        _known("epochs", self._epochs, ("first", "later"))
        _known("overrides", self._overrides, ("train", "inference"))
        if self._executor not in EXECUTORS:
            raise ConfigError(f"executor must be one of {', '.join(EXECUTORS)}. Received: {self._executor!r}.")
        at_least("workers", self._workers, 1)
        at_least("threads", self._threads, 1)
        if not isinstance(self._seed, int):
            raise ConfigError(f"seed must be a whole number. Received: {self._seed!r}.")
        # once without the cohort: a misspelt setting is to be told before scans are read or generated
        epochs = {"first_epochs": self._epochs["first"], "later_epochs": self._epochs["later"]}
        asked = Scheme(folds=2, **epochs, **self._shape)  # type: ignore[arg-type]
        return replace(asked, folds=len(self.cohort.folds), test=bool(self.cohort.test))

    @property
    def _root(self) -> Path:
        return find_bundle(as_given(self._bundle) if isinstance(self._bundle, str) else self._bundle)

    def plan(self) -> Plan:
        """The steps of the run. Pure: nothing is read but the cohort."""
        for name in ("train", "inference"):  # before scans are read or generated
            read_config(self._root, name, self._overlays)
        return build_plan(self.scheme)

    def check(self) -> Workplace:
        """All checks that need no training: configurations, files, the network, the disk. Writes nothing.

        Raises:
            AtsoError: with all that is wrong with the cohort, or the first thing that is wrong elsewhere.
        """
        return self._check(self.plan(), None)

    def _check(self, plan: Plan, facts_dir: Path | None) -> Workplace:
        require_devices(self._devices)
        place = self._workplace(plan)
        for kind in ("train", "predict"):
            orders.bundle_config(place, kind)
        contents, facts = content_hashes(self.cohort, facts_dir, checking())
        require_same_kind(place, facts)
        place = self._workplace(plan, contents, training_size(place, facts))
        require_hounsfield(place, facts)
        for overlay, reduced in dict.fromkeys((step.overlay, step.reduced) for step in plan.steps):
            try_network(place, overlay, reduced)
        require_space(self._cache_dir, bytes_needed(self.cohort, facts, len(plan.steps)))
        return place

    def run(self) -> Run:
        """Do all steps that are not done yet, and deliver.

        Raises:
            AtsoError: see :meth:`check`; StepFailedError when a step fails.
        """
        with held(self.run_dir):
            plan = self.plan()
            place = self._check(plan, self._cache_dir / "facts")
            settle(self.run_dir, self._settings(place), {"plan": asdict(self.scheme), "cohort": "cohort.json"})
            place_cache(self.run_dir, self._cache)
            self.cohort.save(self.run_dir / "cohort.json")
            slots = max(1, min(self._workers, len(self._devices) or self._workers))
            reporter = Reporter(plan, self.run_dir, slots)
            reporter.say(self._greeting(plan))
            self._walk(plan, place, reporter, slots)
            return self._deliver(plan, place)

    @property
    def _cache_dir(self) -> Path:
        return self._cache or self.run_dir / orders.CACHE

    def _walk(self, plan: Plan, place: Workplace, reporter: Reporter, slots: int) -> None:
        executor, clean = start_executor(self._executor, self._workers, self._devices), False
        try:
            walk(
                plan,
                executor,
                draft=partial(orders.draft, place),
                write=partial(orders.write, place),
                execute=run_step,
                listener=reporter,
                slots=1 if self._executor == "inline" else slots,
            )
            clean = True
        finally:
            reporter.close()
            executor.shutdown(wait=True, cancel_futures=not clean)

    def _deliver(self, plan: Plan, place: Workplace) -> Run:
        rows = tables.collect(self.run_dir, plan)
        tables.write_metrics(self.run_dir / "metrics.csv", rows)
        text = tables.summary(plan, rows)
        write_text(self.run_dir / "summary.txt", text + "\n")
        outcome = plan.outcomes[0]
        bundle = deliver_bundle(place, outcome, text)
        return Run(self.run_dir, plan, rows, text, bundle, deliver_labels(place, outcome))

    def _workplace(
        self, plan: Plan, contents: Mapping[Path, str] | None = None, size: Sequence[int] | None = None
    ) -> Workplace:
        kinds = {outcome.kind for outcome in plan.outcomes}
        classes = {"num_classes": len(self.cohort.labels)}
        return Workplace(
            run_dir=self.run_dir,
            bundle=self._root,
            cohort=self.cohort.blind(),
            truths=self.cohort.truths(),
            contents=contents or {},
            seed=self._seed,
            threads=self._threads,
            overlays=self._overlays,
            overrides=self._overrides,
            common={name: classes | ({"size": list(size)} if size else {}) for name in ("train", "inference")},
            revealed=self.cohort.revealed() if "oracle" in kinds else None,
            keep_snapshot=self._shape["start"] == "snapshot",
            label_suffix=str(read_config(self._root, "inference", self._overlays).get("label_suffix", ".nii.gz")),
            reduction=require_reduction(self._reduction, plan, self.cohort),
        )

    def _settings(self, place: Workplace) -> dict[str, Any]:
        """All that shapes the results; ``compare`` and ``variants`` may grow from one start to the next."""
        return {
            **{name: value for name, value in asdict(self.scheme).items() if name not in ("compare", "variants")},
            "seed": self._seed,
            "overlays": self._overlays,
            "overrides": self._overrides,
            "threads": self._threads,
            "cohort": {
                "fingerprint": self.cohort.fingerprint,
                "labels": {str(index): name for index, name in self.cohort.labels.items()},
                "label_map": {str(a): b for a, b in (self.cohort.label_map or {}).items()},
                **(
                    {"truth_map": {str(a): b for a, b in self.cohort.truth_map.items()}}
                    if self.cohort.truth_map
                    else {}
                ),
                "content": hash_json(sorted(place.contents.values()))[:16],
            },
            "bundle": {"name": place.bundle.name}
            | {kind: hash_json(orders.bundle_config(place, kind))[:16] for kind in ("train", "predict")},
        }

    def _greeting(self, plan: Plan) -> str:
        cohort = self.cohort
        counts = f"{len(cohort.labelled)} labelled, {len(cohort.reference)} reference, {len(cohort.test)} test cases"
        return (
            f"{', '.join(o.strategy for o in plan.outcomes)}: {len(plan.steps)} steps with bundle {self._bundle}\n"
            f"cohort {cohort.name!r} ({cohort.fingerprint}): {counts}, {len(cohort.folds)} folds\n"
            f"into {self.run_dir}"
        )


def _known(what: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{what} takes {', '.join(known)}. Received: {key!r}.{nearest(str(key), known)}")
    if what == "epochs" and set(given) != set(known):
        raise ConfigError(f"epochs needs {' and '.join(known)}. Received: {dict(given)}.")
