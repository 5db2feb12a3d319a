"""What is fed to trackers, when, and that none of them can hurt a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine import tracker as tracker_module
from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result, write_result
from atso_monai.engine.tracker import Tracker, require_trackers
from atso_monai.engine.tracking import mean_scores
from atso_monai.engine.worker import Order
from atso_monai.errors import ConfigError
from atso_monai.files import write_json, write_text

TRAIN, SCORE = Step("model/g0/axial", "train", epochs=2), Step("metrics/g0", "score")
SCORES = "strategy,generation,model,set,fold,case,label,metric,value\n"
ROWS = "atso,1,f1,reference,f2,{},liver (l),dsc,{}\n"


class Recorder:
    """A tracker that remembers what it was told."""

    def __init__(self, known: Sequence[str] = (), broken: str = "") -> None:
        self.told: list[Any] = []
        self.known, self.broken = known, broken

    def _tell(self, what: str, *values: Any) -> None:
        if what == self.broken:
            raise ValueError("the server\nis gone")
        self.told.append((what, *values))

    def knows(self, step: Step, key: str) -> bool:
        return step.makes in self.known

    def begin(self, step: Step, key: str) -> None:
        self._tell("begin", step.makes, key)

    def losses(self, step: Step, points: Sequence[tuple[int, float]]) -> None:
        self._tell("losses", step.makes, list(points))

    def metrics(self, step: Step, values: Mapping[str, float]) -> None:
        self._tell("metrics", step.makes, dict(values))

    def end(self, step: Step, state: str) -> None:
        self._tell("end", step.makes, state)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A training with three iterations, and scores of two cases."""
    write_text(tmp_path / TRAIN.makes / "losses.csv", "iteration,loss\n1,0.5\n2,0.25\n3,0.125\n")
    write_text(tmp_path / SCORE.makes / "scores.csv", SCORES + ROWS.format("a", 0.5) + ROWS.format("b", 1.0))
    return tmp_path


def described(step: Step, key: str) -> Draft:
    return Draft(Order(step.makes, step.kind, "", key, (), 1), {}, [])


def done(step: Step) -> Result:
    return Result(step.makes, "k", {}, 2.0)


def test_a_run_is_told(run_dir: Path) -> None:
    recorder, said = Recorder(), list[str]()
    tracker = Tracker({"it": lambda: recorder}, run_dir, said.append)
    assert tracker.writing(lambda draft: "note")(described(TRAIN, "k")) == "note"
    tracker.started(TRAIN, "")
    tracker.finished(TRAIN, done(TRAIN))
    tracker.started(SCORE, "")
    tracker.finished(SCORE, done(SCORE))
    tracker.succeeded()
    tracker.close()
    assert recorder.told == [
        ("begin", TRAIN.makes, "k"),
        ("metrics", TRAIN.makes, {"seconds": 2.0}),
        ("losses", TRAIN.makes, [(1, 0.5), (2, 0.25), (3, 0.125)]),
        ("end", TRAIN.makes, "done"),
        ("begin", SCORE.makes, ""),
        ("metrics", SCORE.makes, {"dsc/reference f2/f1/liver _l_": 0.75, "seconds": 2.0}),
        ("end", SCORE.makes, "done"),
    ]
    assert said == []


def test_failed_and_stopped_steps_are_closed(run_dir: Path) -> None:
    recorder = Recorder()
    tracker = Tracker({"it": lambda: recorder}, run_dir, print)
    for step in (TRAIN, SCORE):
        tracker.started(step, "")
    tracker.failed(SCORE, "no memory")
    tracker.close()
    assert [one for one in recorder.told if one[0] == "end"] == [
        ("end", SCORE.makes, "failed"), ("end", TRAIN.makes, "stopped"),
    ]  # fmt: skip


def test_a_curve_is_sent_while_it_grows(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "PERIOD", 0.02)
    recorder = Recorder()
    tracker = Tracker({"it": lambda: recorder}, run_dir, print)
    tracker.started(TRAIN, "")
    time.sleep(0.3)
    with (run_dir / TRAIN.makes / "losses.csv").open("a") as file:
        file.write("4,0.0625\n5,0.")
    time.sleep(0.3)
    tracker.close()
    sent = [one[2] for one in recorder.told if one[0] == "losses"]
    assert sent == [[(1, 0.5), (2, 0.25), (3, 0.125)], [(4, 0.0625)]]


def test_long_curves_are_thinned(run_dir: Path) -> None:
    write_text(run_dir / TRAIN.makes / "losses.csv", "iteration,loss\n" + "".join(f"{n},1\n" for n in range(1, 5001)))
    write_json(run_dir / TRAIN.makes / "progress.json", {"done": 5000, "total": 5000})
    recorder = Recorder()
    tracker = Tracker({"it": lambda: recorder}, run_dir, print)
    tracker.started(TRAIN, "")
    tracker.finished(TRAIN, done(TRAIN))
    tracker.close()
    (points,) = [one[2] for one in recorder.told if one[0] == "losses"]
    assert [n for n, _ in points] == [1, *range(5, 5001, 5)]


def test_steps_that_were_done_before_are_added_once(run_dir: Path) -> None:
    for step in (TRAIN, SCORE):
        write_result(run_dir / step.makes, done(step))
    recorder = Recorder(known=[SCORE.makes])
    tracker = Tracker({"it": lambda: recorder}, run_dir, print)
    for step in (TRAIN, SCORE):
        tracker.kept(step)
    tracker.close()
    assert [one[:2] for one in recorder.told] == [(what, TRAIN.makes) for what in ("begin", "metrics", "losses", "end")]


@pytest.mark.parametrize("broken", ["begin", "losses", "metrics", "end", "open"])
def test_a_tracker_that_fails_ends_alone(run_dir: Path, broken: str) -> None:
    recorder, other, said = Recorder(broken=broken), Recorder(), list[str]()

    def opener() -> Recorder:
        if broken == "open":
            raise OSError("no such server")
        return recorder

    tracker = Tracker({"it": opener, "other": lambda: other}, run_dir, said.append)
    for step in (TRAIN, SCORE):
        tracker.started(step, "")
        tracker.finished(step, done(step))
    tracker.close()
    assert len(said) == 1
    assert said[0].startswith("tracking with it has ended, the run goes on: ")
    assert "\n" not in said[0]
    assert [one for one in other.told if one[0] == "end"] == [("end", s.makes, "done") for s in (TRAIN, SCORE)]


def test_a_tracker_that_hangs_is_left_behind(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tracker_module.PATIENCE, False, 0.1)

    class Hangs(Recorder):
        def begin(self, step: Step, key: str) -> None:
            time.sleep(1)

    said: list[str] = []
    tracker = Tracker({"it": Hangs}, run_dir, said.append)
    tracker.started(TRAIN, "")
    began = time.monotonic()
    tracker.close()
    assert time.monotonic() - began < 0.6
    assert "has not caught up" in said[0]


def test_without_trackers_there_is_no_thread(run_dir: Path) -> None:
    tracker = Tracker({}, run_dir, print)
    tracker.started(TRAIN, "")
    tracker.close()
    assert not tracker._thread.is_alive()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((3, None), "mlflow must be true, a file"),
        ((None, "yes"), "tensorboard must be true or null"),
        (("{folder}", None), "is a folder. Give a database file"),
    ],
)
def test_values_that_make_no_sense(values: tuple[Any, Any], message: str, tmp_path: Path) -> None:
    first = values[0].format(folder=tmp_path) if isinstance(values[0], str) else values[0]
    with pytest.raises(ConfigError, match=message):
        require_trackers(first, values[1])


@pytest.mark.parametrize(
    ("missing", "values"),
    [("mlflow", (True, None)), ("sqlalchemy", ("a.db", None)), ("tensorboard", (None, True))],
)
def test_missing_packages_are_named(missing: str, values: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ConfigError, match=rf"the package {missing} is not installed. pip install 'atso_monai\["):
        require_trackers(*values)
    require_trackers(None, None)


def test_no_scores_are_no_numbers(tmp_path: Path) -> None:
    assert mean_scores(tmp_path / "scores.csv") == {}


def test_distances_that_are_none_are_counted_not_averaged(tmp_path: Path) -> None:
    row = "atso,final,final,test,,{},liver,hd95,{}\n"
    values = enumerate(("4.0", "6.0", "inf", "nan"))
    write_text(tmp_path / "scores.csv", SCORES + "".join(row.format(case, value) for case, value in values))
    assert mean_scores(tmp_path / "scores.csv") == {"hd95/test/final/liver": 5.0, "hd95 none/test/final/liver": 2.0}
    write_text(tmp_path / "scores.csv", SCORES + row.format("a", "inf"))
    assert mean_scores(tmp_path / "scores.csv") == {"hd95 none/test/final/liver": 1.0}
