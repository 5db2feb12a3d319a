"""ATSO from scans and a few labels to pseudo labels and a model: plan, check, walk, deliver."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from atso_monai.cohort import Cohort
from atso_monai.engine import orders
from atso_monai.engine.carrying_out import carry_out
from atso_monai.engine.cluster import Source
from atso_monai.engine.command import exits_cleanly
from atso_monai.engine.configuration import Bundles
from atso_monai.engine.delivery import deliver
from atso_monai.engine.execution import Execution
from atso_monai.engine.forecast import Forecast, forecast, require_memory
from atso_monai.engine.greeting import greeting
from atso_monai.engine.identity import identity
from atso_monai.engine.overrides import read_overrides
from atso_monai.engine.plan import TEST, Plan, fold_name
from atso_monai.engine.preflight import (
    Facts,
    bytes_needed,
    cache_bytes,
    content_hashes,
    require_hounsfield,
    require_reduction,
    require_same_kind,
    require_snapshots,
    training_size,
    try_network,
)
from atso_monai.engine.rehearsal import rehearse
from atso_monai.engine.reporter import Reporter, checking
from atso_monai.engine.run import Run
from atso_monai.engine.run_folder import RUN, held, place_cache, require_same_settings, require_space, settle
from atso_monai.engine.scheme import Scheme, checkpoint_interval, known_keys, listed, mapped
from atso_monai.engine.status import recorded_steps
from atso_monai.engine.strategies import build_plan
from atso_monai.engine.tracker import Tracker, require_trackers, sinks
from atso_monai.engine.trial import run_trials
from atso_monai.engine.workplace import Workplace
from atso_monai.errors import ConfigError
from atso_monai.files import as_given
from atso_monai.stopping import stop_signals
from atso_monai.views import WHOLE


class Engine:
    """Chains bundle runs over generations and reference folds.

    Nothing is read or written until :meth:`run` (or :meth:`check`) is called.

    Args:
        bundle: the bundle: a folder, or the name of an embedded one; any MONAI bundle that trains a segmentation.
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
        overrides: further ids to set: ``{"train": {id: value}, "inference": {id: value}}``, or that as text in YAML.
        executor: ``local`` (a process per step), ``inline`` or ``dask`` (docs/cluster.md).
        workers: steps at a time, with ``local`` and ``dask``.
        threads: CPU threads of each step, and of each rank of a training.
        ranks: processes inside each training, as torchrun starts them, each on a device of its own (docs/cluster.md).
        devices: devices to hand out to steps, e.g. ``["cuda:0", "cuda:1"]``; None leaves the choice to the bundle.
        cache_dir: where prepared volumes are kept; None is ``cache/`` in the run folder.
        checkpoint: how often a training keeps a checkpoint of itself: ``{"minutes": 10}`` or ``{"iterations": 500}``.
        infer_bundle: another bundle for predictions, with the same network; None is ``bundle``.
        mapping: file that names the parts of a bundle that cannot be found by themselves (docs/any_bundle.md); None
            takes the mapping in each bundle, if there is one.
        cluster: with ``dask``, the address of a scheduler, a YAML file that describes a cluster, or a function that
            starts one; None starts one on this machine.
        mlflow: track the run with MLflow: a SQLite file, the address of a server, or True for ``mlflow.db`` in the run
            folder.
        tensorboard: track the run with TensorBoard, in ``tensorboard/`` in the run folder.

    Raises:
        ConfigError: for values that no run can have.
    """

    @exits_cleanly
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
        overrides: Mapping[str, Mapping[str, Any]] | str | None = None,
        executor: str = "local",
        workers: int = 2,
        threads: int = 1,
        ranks: int = 1,
        devices: Sequence[str] | None = None,
        cache_dir: str | Path | None = None,
        checkpoint: Mapping[str, float] | None = None,
        infer_bundle: str | Path | None = None,
        mapping: str | Path | None = None,
        cluster: Source = None,
        mlflow: str | Path | bool | None = None,
        tensorboard: bool | None = None,
    ) -> None:
        self._cohort_or_maker = cohort
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
        self._seed, self._overlays, self._overrides = seed, listed("overlays", overlays), read_overrides(overrides)
        file = None if mapping is None else as_given(mapping).absolute()
        self._bundles = Bundles(bundle, infer_bundle, self._overlays, self._overrides, file, ranks)
        self.execution = Execution(executor, workers, threads, listed("devices", devices), cluster, ranks)
        self._cache = None if cache_dir is None else as_given(cache_dir).absolute()
        self._interval = checkpoint_interval(mapped("checkpoint", checkpoint))
        self._track = (mlflow, tensorboard)

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
        known_keys("epochs", self._epochs, ("first", "later"), complete=True)
        known_keys("overrides", self._overrides, ("train", "inference"))
        self.execution.require_sound()
        if not isinstance(self._seed, int):
            raise ConfigError(f"seed must be a whole number. Received: {self._seed!r}.")
        # once without the cohort: a misspelt setting is to be told before scans are read or generated
        epochs = {"first_epochs": self._epochs["first"], "later_epochs": self._epochs["later"]}
        shape = {**self._shape, "views": (WHOLE,)} if self._bundles.adapted else self._shape
        asked = Scheme(folds=2, **epochs, **shape)  # type: ignore[arg-type]
        return replace(asked, folds=len(self.cohort.folds), test=bool(self.cohort.test))

    def plan(self) -> Plan:
        """The steps of the run. Pure: nothing is read but the bundles' configurations and the cohort."""
        return build_plan(self.scheme)

    def _plan_here(self) -> Plan:
        """The plan, for a machine that is to carry it out: devices are looked for before scans are read or generated.

        A plan alone may be looked at, or written into a batch script, where there are none.
        """
        self.execution.require_devices()
        return self.plan()

    def require_same(self) -> None:
        """Make sure that the run in the run folder, if there is one, was made with the same settings.

        Files that the run's cache does not know yet are read; nothing else is written.

        Raises:
            RunChangedError: names each setting that differs.
        """
        if (self.run_dir / RUN).is_file():
            plan, kept = self.plan(), self._cache_dir / "facts"
            contents, facts = content_hashes(self.cohort, kept if kept.is_dir() else None, checking())
            place = self._workplace(plan, contents, training_size(self._workplace(plan), facts))
            require_same_settings(self.run_dir, identity(self.scheme, self.cohort, place))

    def check(self) -> Workplace:
        """All checks that need no training: configurations, files, the network, the disk. Writes nothing.

        Raises:
            AtsoError: with all that is wrong with the cohort, or the first thing that is wrong elsewhere.
        """
        return self._check(self._plan_here(), None)[0]

    def forecast(self, seconds: float = 20.0) -> Forecast:
        """All checks, then short trials of a training and of a prediction: what the run will take.

        Args:
            seconds: how long to try a training. The trial's folder is temporary; the run folder is not touched.

        Raises:
            AtsoError: see :meth:`check`; ConfigError when the steps at work at one time do not fit into the memory.
        """
        plan = self._plan_here()
        place, facts = self._check(plan, None)
        sets = {fold_name(k): len(self.cohort.fold(k)) for k in range(len(self.cohort.folds))}
        shared = self.execution.shared_folder(self.run_dir)
        with (
            tempfile.TemporaryDirectory(prefix="atso-check-", dir=shared) as folder,
            self.execution.start(Path(folder), workers=1) as executor,
        ):
            trials = run_trials(place, plan, Path(folder), seconds, lambda *call: executor.submit(*call).result())
        found = forecast(
            plan,
            trials,
            {**sets, TEST: len(self.cohort.test)},
            done=recorded_steps(self.run_dir, plan),
            room=self.execution.room,
            cache=cache_bytes(self.cohort, facts),
        )
        if shared is None:
            require_memory(found)
        return found

    def _check(self, plan: Plan, facts_dir: Path | None) -> tuple[Workplace, Facts]:
        self.execution.require_cluster()
        require_trackers(*self._track)
        place = self._workplace(plan)
        for kind in ("train", "predict"):
            orders.bundle_config(place, kind)
        require_snapshots(place, plan)
        contents, facts = content_hashes(self.cohort, facts_dir, checking())
        require_same_kind(place, facts)
        place = self._workplace(plan, contents, training_size(place, facts))
        require_hounsfield(place, facts)
        if self._bundles.adapted:
            rehearse(place)
        else:
            for overlay, reduced in dict.fromkeys((step.overlay, step.reduced) for step in plan.steps):
                try_network(place, overlay, reduced)
        require_space(self._cache_dir, bytes_needed(self.cohort, facts, len(plan.steps)))
        return place, facts

    def run(self) -> Run:
        """Do all steps that are not done yet, and deliver.

        Raises:
            AtsoError: see :meth:`check`; StepFailedError when a step fails.
            StopSignal: after SIGTERM, SIGUSR1 or Ctrl-C, when trainings have left checkpoints; see
                :mod:`atso_monai.stopping`.
        """
        with stop_signals(), held(self.run_dir):
            plan = self._plan_here()
            place, _ = self._check(plan, self._cache_dir / "facts")
            description = {"plan": asdict(self.scheme), "cohort": "cohort.json"}
            settle(self.run_dir, identity(self.scheme, self.cohort, place), description)
            place_cache(self.run_dir, self._cache)
            self.cohort.save(self.run_dir / "cohort.json")
            reporter = Reporter(plan, self.run_dir, self.execution.room.trainings())
            reporter.say(greeting(plan, place, self.cohort, self._bundles))
            tracker = Tracker(sinks(*self._track, self.run_dir), self.run_dir, reporter.say)
            carry_out(plan, place, self.execution, reporter, tracker)
            return deliver(place, plan)

    @property
    def _cache_dir(self) -> Path:
        return self._cache or self.run_dir / orders.CACHE

    def _workplace(
        self, plan: Plan, contents: Mapping[Path, str] | None = None, size: Sequence[int] | None = None
    ) -> Workplace:
        kinds = {outcome.kind for outcome in plan.outcomes}
        classes = {"num_classes": len(self.cohort.labels)}
        return Workplace(
            run_dir=self.run_dir,
            bundle=self._bundles.root("train"),
            infer_bundle=None if self._bundles.inference is None else self._bundles.root("predict"),
            mapping=self._bundles.mapping,
            cohort=self.cohort.blind(),
            truths=self.cohort.truths(),
            contents=contents or {},
            seed=self._seed,
            threads=self.execution.threads,
            workers=self.execution.workers,
            interval=self._interval,
            overlays=self._overlays,
            overrides=self._overrides,
            common={name: classes | ({"size": list(size)} if size else {}) for name in ("train", "inference")},
            revealed=self.cohort.revealed() if "oracle" in kinds else None,
            keep_snapshot=self._shape["start"] == "snapshot",
            label_suffix=str(self._bundles.label_suffix),
            ranks=self.execution.ranks,
            reduction=require_reduction(self._reduction, plan, self.cohort),
        )
