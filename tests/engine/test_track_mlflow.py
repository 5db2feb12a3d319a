"""With MLflow's own client as the witness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine.plan import Step

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (extra mlflow)")
pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed (extra mlflow)")

from atso_monai.engine.track_mlflow import MLflowRuns  # noqa: E402

TRAIN, SCORE = Step("model/g0/axial", "train", view="axial", epochs=2, strategy="atso"), Step("metrics/g0", "score")


def runs(store: Path, experiment: str) -> dict[str, tuple[str, list[int], dict[str, Any]]]:
    """Status, steps of the loss and all last metrics of each run of an experiment, by the run's name."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store}")
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert len({run.info.run_name for run in found}) == len(found)
    return {
        run.info.run_name: (
            run.info.status,
            [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")],
            run.data.metrics,
        )
        for run in found
    }


def test_one_run_per_step_continued_and_closed(tmp_path: Path) -> None:
    """One test, since making a database takes seconds."""
    store, run_dir = tmp_path / "new" / "ml #1 50% $x ä.db", tmp_path / "run #1"
    run_dir.mkdir()
    first = MLflowRuns(store, run_dir)
    for step in (TRAIN, SCORE):
        first.begin(step, "k")
    first.losses(TRAIN, [(1, 0.5), (2, float("nan"))])
    first.metrics(SCORE, {"dsc/test/final/ä": 0.75})
    first.end(SCORE, "done")
    assert runs(store, "run #1")[TRAIN.makes][0] == "RUNNING"

    moved = run_dir.rename(tmp_path / "moved")  # after the engine was killed
    second = MLflowRuns(store, moved)
    assert second.knows(SCORE, "k")
    assert not second.knows(SCORE, "another")
    assert not second.knows(TRAIN, "k")
    assert runs(store, "run #1")[TRAIN.makes][0] == "KILLED"
    second.begin(TRAIN, "k")
    second.losses(TRAIN, [(1, 0.5), (2, 0.25), (3, 0.125)])
    second.end(TRAIN, "failed")
    found = runs(store, "run #1")
    assert found[TRAIN.makes][:2] == ("FAILED", [1, 2, 3])
    assert found[SCORE.makes][0] == "FINISHED"
    assert found[SCORE.makes][2]["dsc/test/final/ä"] == 0.75

    other = tmp_path / "other" / "run #1"
    other.mkdir(parents=True)
    MLflowRuns(store, other)
    assert runs(store, "run #1 (2)") == {}
