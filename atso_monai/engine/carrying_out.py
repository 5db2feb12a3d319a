"""From a plan to what it makes: the walk with its executor, and all who are told of it, ended in order."""

from __future__ import annotations

from functools import partial

from atso_monai.engine import step_folder
from atso_monai.engine.board import Board
from atso_monai.engine.execution import Execution
from atso_monai.engine.listeners import Listeners
from atso_monai.engine.plan import Plan
from atso_monai.engine.reporter import Reporter
from atso_monai.engine.runner import walk
from atso_monai.engine.shards import draft_in_shards, gather
from atso_monai.engine.tracker import Tracker
from atso_monai.engine.worker import run_step
from atso_monai.engine.workplace import Workplace


def carry_out(plan: Plan, place: Workplace, execution: Execution, reporter: Reporter, tracker: Tracker) -> None:
    """Do all steps of a plan that are not done yet.

    Raises:
        AtsoError: see :func:`~atso_monai.engine.runner.walk`.
        StopSignal: when this process was asked to stop; trainings have left checkpoints then.
    """
    listeners = Listeners(reporter, Board(place.run_dir, execution.room.trainings()), tracker)
    executor, clean = execution.start(place.run_dir), False
    if notice := getattr(executor, "notice", ""):
        reporter.say(notice)
    try:
        walk(
            plan,
            executor,
            draft=partial(draft_in_shards, place),
            write=tracker.writing(partial(step_folder.write, place)),
            execute=run_step,
            gather=gather,
            listener=listeners,
            room=execution.room,
        )
        clean = True
        tracker.succeeded()
    except KeyboardInterrupt:
        reporter.stopping()
        executor.shutdown(wait=True, cancel_futures=True)
        reporter.stopped()
        raise
    finally:
        try:
            executor.shutdown(wait=True, cancel_futures=not clean)
        finally:
            listeners.close()
