from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.record import Result
from atso_monai.engine.reporter import Reporter, TimeLeft, checking, clock
from atso_monai.files import write_json


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


TRAIN = Step("model/a", "train", epochs=10)
MORE = Step("model/b", "train", epochs=20)
PREDICT = Step("labels/a", "predict")
PLAN = Plan((TRAIN, MORE, PREDICT))


def result(step: Step, seconds: float) -> Result:
    return Result(step.makes, "", {}, seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min"), (6000, "1 h 40 min"), (11100, "3 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_nothing_is_foretold_before_a_training_tells_its_pace() -> None:
    forecast = TimeLeft(PLAN, 1)
    assert forecast.seconds_left({}) is None
    forecast.done(PREDICT, 3.0)
    assert forecast.seconds_left({}) is None


def test_the_rest_is_told_by_epochs() -> None:
    forecast = TimeLeft(PLAN, 1)
    forecast.done(TRAIN, 5.0)  # 0.5 s an epoch
    assert forecast.seconds_left({}) == pytest.approx(10)
    assert forecast.seconds_left({"model/b": (0.75, 9.0)}) == pytest.approx(2.5)
    assert TimeLeft(PLAN, 2).seconds_left({"model/a": (0.5, 10.0)}) == pytest.approx((10 + 40) / 2)


def test_steps_that_were_done_before_tell_no_pace() -> None:
    forecast = TimeLeft(PLAN, 1)
    forecast.done(TRAIN, None)
    assert forecast.seconds_left({}) is None


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    reporter = Reporter(PLAN, tmp_path, 1, stream)
    reporter.kept(TRAIN)
    reporter.started(MORE, "what it is made from changed")
    reporter.tick()
    reporter.finished(MORE, result(MORE, 40))
    reporter.started(PREDICT, "not made yet")
    reporter.failed(PREDICT, "no space left\nsecond line")
    reporter.close()
    assert stream.getvalue().splitlines() == [
        "1 of 3 steps were done before and are kept",
        "model/b: made again, what it is made from changed",
        "[2/3] model/b  40 s",
        "labels/a FAILED: no space left.",
    ]


def test_a_failure_tells_that_others_are_waited_for(tmp_path: Path) -> None:
    stream = io.StringIO()
    reporter = Reporter(PLAN, tmp_path, 2, stream)
    reporter.started(TRAIN, "not made yet")
    reporter.started(PREDICT, "not made yet")
    reporter.failed(PREDICT, "x")
    assert "Waiting for 1 more that run; Ctrl-C stops them." in stream.getvalue()


def test_bars_on_a_terminal(tmp_path: Path, scheme: Callable[..., Scheme]) -> None:
    plan, stream = build_plan(scheme()), Terminal()
    reporter = Reporter(plan, tmp_path, 2, stream)
    running: list[Step] = []
    for step in plan.steps:  # several bars at a time, closed in another order
        reporter.started(step, "not made yet")
        write_json(tmp_path / step.makes / "progress.json", {"done": 5, "total": 10})
        running.append(step)
        reporter.tick()
        if len(running) > 2:
            reporter.finished(first := running.pop(1), result(first, 2.0))
    for step in running:
        reporter.finished(step, result(step, 2.0))
    reporter.close()
    assert "model/g1/f1/axial" in stream.getvalue()
    assert " 50%" in stream.getvalue()


def test_damaged_progress_is_no_progress(tmp_path: Path) -> None:
    reporter = Reporter(PLAN, tmp_path, 1, Terminal())
    for number, text in enumerate(("", "[]", '{"done": 3}', '{"total": 0, "done": 1}')):
        (tmp_path / "model" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / "a" / "progress.json").write_text(text)
        if number == 0:
            reporter.started(TRAIN, "")
        reporter.tick()
    reporter.close()


def test_checking_is_silent_without_a_terminal() -> None:
    stream, terminal = io.StringIO(), Terminal()
    for out in (stream, terminal):
        progress = checking(out)
        for done in range(1, 4):
            progress(done, 3)
    assert stream.getvalue() == ""
    assert "checking files" in terminal.getvalue()
