"""Tracking beside a run, in a thread of the engine: nothing that it does reaches a step, and no step waits for it.

The engine alone tracks, from what the steps leave in their folders: a database has one writer however many machines
work, and a training that is killed leaves nothing open.
"""

from __future__ import annotations

import importlib.util
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import Step
from atso_monai.engine.record import Result, read_result
from atso_monai.engine.tracking import Feed, Sink
from atso_monai.errors import ConfigError
from atso_monai.files import as_given

PERIOD = 10.0
"""Seconds between two looks at the steps that run."""
PATIENCE = {True: 60.0, False: 3.0}
"""Seconds that tracking may take to catch up at the end of a run, or after a stop."""
MLFLOW_FILE, TENSORBOARD_FOLDER = "mlflow.db", "tensorboard"


def require_trackers(mlflow: str | Path | bool | None, tensorboard: bool | None) -> None:
    """Refuse to start with a tracker that cannot be used.

    Raises:
        ConfigError: when a package is missing, or the value is none that the option can have.
    """
    if not isinstance(tensorboard, bool | None):
        raise ConfigError(f"tensorboard must be true or null. Received: {tensorboard!r}.")
    if not isinstance(mlflow, str | Path | bool | None):
        raise ConfigError(f"mlflow must be true, a file, the address of a server, or null. Received: {mlflow!r}.")
    if mlflow and "://" not in str(mlflow) and mlflow is not True and as_given(mlflow).is_dir():
        raise ConfigError(f"mlflow: {mlflow} is a folder. Give a database file, such as {Path(mlflow) / MLFLOW_FILE}.")
    packages = ["mlflow", "sqlalchemy"] if mlflow else []
    for name in [*packages, *(["tensorboard"] if tensorboard else [])]:
        if importlib.util.find_spec(name) is None:
            extra = "tensorboard" if name == "tensorboard" else "mlflow"
            raise ConfigError(f"{extra}: the package {name} is not installed. pip install 'atso_monai[{extra}]'")


def sinks(mlflow: str | Path | bool | None, tensorboard: bool | None, run_dir: Path) -> dict[str, Callable[[], Sink]]:
    """What opens the trackers that were asked for, by name."""
    found: dict[str, Callable[[], Sink]] = {}
    if mlflow:
        text = str(mlflow)
        file = run_dir / MLFLOW_FILE if mlflow is True else as_given(mlflow).absolute()

        def open_mlflow() -> Sink:
            from atso_monai.engine.track_mlflow import MLflowRuns

            return MLflowRuns(text if "://" in text else file, run_dir)

        found["MLflow"] = open_mlflow
    if tensorboard:

        def open_tensorboard() -> Sink:
            from atso_monai.engine.track_tensorboard import TensorBoardRuns

            return TensorBoardRuns(run_dir / TENSORBOARD_FOLDER)

        found["TensorBoard"] = open_tensorboard
    return found


class Tracker:
    """Tracks a run; a listener of :func:`atso_monai.engine.runner.walk`. Without trackers it does nothing.

    Whatever a tracker raises ends that tracker alone, with one line for the person.

    Args:
        openers: what opens each tracker, by its name; called in the tracking thread.
        run_dir: the run folder.
        say: shows a line.
    """

    def __init__(self, openers: Mapping[str, Callable[[], Sink]], run_dir: Path, say: Callable[[str], None]) -> None:
        self._openers, self._run_dir, self._say = dict(openers), run_dir, say
        self._keys: dict[str, str] = {}
        self._feeds: dict[str, Feed] = {}
        self._events: queue.SimpleQueue[Callable[[Feed], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="atso-tracking")
        self._clean = False
        if openers:
            self._thread.start()

    def writing(self, write: Callable[[Draft], str]) -> Callable[[Draft], str]:
        """The same function, but for remembering the key of each step that it writes."""

        def remembering(described: Draft) -> str:
            self._keys[described.order.makes] = described.order.key
            return write(described)

        return remembering

    def kept(self, step: Step) -> None:
        """A step was done before."""
        if self._openers and (result := read_result(self._run_dir / step.makes)) is not None:
            self._events.put(lambda feed: feed.catch_up(step, result))

    def started(self, step: Step, reason: str, note: str = "") -> None:
        """A step starts."""
        key = self._keys.get(step.makes, "")
        self._events.put(lambda feed: feed.begin(step, key))

    def finished(self, step: Step, result: Result) -> None:
        """A step is done."""
        self._events.put(lambda feed: feed.finish(step, result))

    def failed(self, step: Step, reason: str) -> None:
        """A step failed."""
        self._events.put(lambda feed: feed.end(step, "failed"))

    def tick(self) -> None:
        """The thread has its own rhythm."""

    def succeeded(self) -> None:
        """All steps are done: there is time to catch up."""
        self._clean = True

    def close(self) -> None:
        """Close the runs of all trackers; wait a little for slow ones."""
        if not self._openers:
            return
        self._events.put(None)
        self._thread.join(PATIENCE[self._clean])
        if self._thread.is_alive():
            self._say("tracking has not caught up; the same command again completes it")

    def _work(self) -> None:
        for name, opener in self._openers.items():
            self._guarded(name, self._open, name, opener)
        ended = False
        while not ended:
            try:
                event = self._events.get(timeout=PERIOD)
            except queue.Empty:
                event = Feed.look
            ended = event is None
            for name, feed in list(self._feeds.items()):
                self._guarded(name, event or Feed.stop, feed)

    def _open(self, name: str, opener: Callable[[], Sink]) -> None:
        self._feeds[name] = Feed(opener(), self._run_dir)

    def _guarded(self, name: str, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:
            self._feeds.pop(name, None)
            text = next(iter(str(error).splitlines()), "")
            self._say(f"tracking with {name} has ended, the run goes on: {type(error).__name__}: {text:.200}")
