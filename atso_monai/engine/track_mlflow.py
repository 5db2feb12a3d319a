"""Steps as runs of MLflow, in one experiment for each ATSO run."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # asked when mlflow is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from atso_monai.engine.plan import Step
from atso_monai.files import read_json, write_json

FILE = ".tracking.json"
STEP, KEY = "atso.step", "atso.key"
STATES = {"done": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
BATCH = 900
"""Metrics in one call, of which MLflow takes 1000."""


class MLflowRuns:
    """Tracks steps with MLflow.

    Args:
        store: a SQLite file, or the address of a tracking server.
        run_dir: the run folder, which remembers the name of its experiment and may be moved.
    """

    def __init__(self, store: Path | str, run_dir: Path) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        artifacts = None
        if isinstance(store, Path):
            store.parent.mkdir(parents=True, exist_ok=True)
            artifacts = (store.parent / "mlflow-artifacts").as_uri()
        self._client = MlflowClient(tracking_uri=f"sqlite:///{store}" if isinstance(store, Path) else store)
        self._experiment = self._find_experiment(run_dir, artifacts)
        self._runs = {(r.data.tags.get(STEP, ""), r.data.tags.get(KEY, "")): r for r in self._found()}
        for run in self._runs.values():  # of an engine that was killed
            if run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, "KILLED")
        self._ids: dict[str, str] = {}
        self._last: dict[str, int] = {}

    def _find_experiment(self, run_dir: Path, artifacts: str | None) -> str:
        """The experiment of a run folder: the one that it remembers, or a new one with its name."""
        if (run_dir / FILE).is_file() and (name := str(read_json(run_dir / FILE)["experiment"])):
            found = self._client.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == "active":
                return str(found.experiment_id)
        name, number = run_dir.name, 1
        while self._client.get_experiment_by_name(name) is not None:
            number += 1
            name = f"{run_dir.name} ({number})"
        experiment = self._client.create_experiment(name, artifact_location=artifacts)
        write_json(run_dir / FILE, {"experiment": name})
        return str(experiment)

    def _found(self) -> list[Run]:
        runs, token = [], None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            runs += list(page)
            token = page.token
            if not token:
                return runs

    def knows(self, step: Step, key: str) -> bool:
        """Whether the step is there, finished."""
        run = self._runs.get((step.makes, key))
        return run is not None and run.info.status == STATES["done"]

    def begin(self, step: Step, key: str) -> None:
        """Begin the run of a step, or continue it where it was begun with the same key."""
        run = self._runs.get((step.makes, key))
        if run is None:
            self._runs[step.makes, key] = run = self._create(step, key)
            self._last[step.makes] = 0
        else:
            self._client.update_run(run.info.run_id, status="RUNNING")
            history = self._client.get_metric_history(run.info.run_id, "loss")
            self._last[step.makes] = max((metric.step for metric in history), default=0)
        self._ids[step.makes] = run.info.run_id

    def _create(self, step: Step, key: str) -> Run:
        tags = {STEP: step.makes, KEY: key}
        run = self._client.create_run(self._experiment, run_name=step.makes, tags=tags)
        facts = {"kind": step.kind, "strategy": step.strategy, "generation": step.generation, "view": step.view}
        facts["epochs"] = str(step.epochs or "")
        params = [Param(name, value) for name, value in facts.items() if value]
        self._client.log_batch(run.info.run_id, params=params)
        return run

    def losses(self, step: Step, points: Sequence[tuple[int, float]]) -> None:
        """Add iterations and losses that are not there yet."""
        now, last = int(1000 * time.time()), self._last[step.makes]
        metrics = [Metric("loss", loss, now, number) for number, loss in points if number > last]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._ids[step.makes], metrics=metrics[start : start + BATCH])

    def metrics(self, step: Step, values: Mapping[str, float]) -> None:
        """Add single numbers."""
        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, 0) for name, value in values.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._ids[step.makes], metrics=metrics[start : start + BATCH])

    def end(self, step: Step, state: str) -> None:
        """Close the run of a step."""
        self._client.set_terminated(self._ids.pop(step.makes), STATES[state])
