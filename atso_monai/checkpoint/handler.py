"""Writes a checkpoint of a training now and then, and when it is asked to stop; and takes the training up again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events
from torch.nn.parallel import DistributedDataParallel

from atso_monai.checkpoint.folder import CheckpointFolder
from atso_monai.checkpoint.loader import ResumableLoader, resumable
from atso_monai.checkpoint.random_state import random_state, set_random_state
from atso_monai.errors import CheckpointError
from atso_monai.ranks import Ranks, ranks
from atso_monai.stopping import StopSignal, asked_to_stop

logger = logging.getLogger(__name__)


class Stateful(Protocol):
    """A network, an optimiser, a scheduler, or whatever else has a state."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state."""


@dataclass(frozen=True)
class Interval:
    """How often a checkpoint is written: after so many minutes or so many iterations; 0 leaves that one out."""

    minutes: float = 10.0
    iterations: int = 0


class TrainingCheckpoint:
    """Checkpoints of a MONAI (or ignite) trainer: what has a state, random states, the place in the data.

    The stage of a training and whatever else handlers set by epoch is not kept: handlers of ``EPOCH_STARTED`` run again
    when an epoch is taken up in its middle, with the epoch's number, and the states are loaded after them.

    Between the last iteration of an epoch and the end of that epoch's handlers nothing is written, nor after the last
    epoch. A handler that keeps something between iterations has to be among ``states``.

    In a training of several processes (torchrun) all of them have this handler: a request to stop that reaches one of
    them, or an interval that is over in one, counts for all after the same iteration. Rank 0 writes; the states are
    its own, which the others share, but each rank's random state and place in the data are kept.

    Args:
        folder: where checkpoints lie.
        states: what has a state, by name; also the trainer's gradient scaler is kept.
        interval: how often to write one.

    Attributes:
        completed: whether the training came to its end.
    """

    def __init__(self, folder: CheckpointFolder, states: Mapping[str, Stateful], interval: Interval) -> None:
        self._folder, self._states, self._interval = folder, dict(states), interval
        self._ranks = Ranks()
        self._loader: ResumableLoader | None = None
        self._waiting: Mapping[str, Any] | None = None
        self._last_time, self._last_iteration = time.monotonic(), 0
        self.completed = False

    def attach(self, engine: Engine) -> None:
        """Register after all other handlers, and take up the training where a checkpoint holds.

        Raises:
            CheckpointError: when a checkpoint cannot be read.
        """
        self._ranks = ranks()
        if engine.state.epoch_length and resumable(engine.data_loader):
            self._loader = engine.data_loader = ResumableLoader(engine.data_loader)
            self._take_up(engine)
        else:
            logger.warning(
                "This loader cannot be taken up in its middle: no checkpoints, and after a stop this step starts anew."
            )
            self._folder.clear()
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._boundary)
        engine.add_event_handler(Events.COMPLETED, self._complete)

    def _take_up(self, engine: Engine) -> None:
        found = self._folder.load()
        self._require_the_same(0 if found is None else found[0].iteration)
        if found is None or self._loader is None:
            return
        record, state = found
        places = [{name: state[name] for name in ("random", "loader")}, *state.get("others", ())]
        if len(places) != self._ranks.count:
            raise CheckpointError(
                f"The checkpoint is of a training in {len(places)} processes, this one has {self._ranks.count}. "
                "Start as many as before, or take the checkpoint away."
            )
        state |= places[self._ranks.rank]
        logger.info("Taken up from the checkpoint at iteration %d of %d.", record.iteration, record.total)
        engine.state.iteration = self._last_iteration = self._loader.iteration = record.iteration
        engine.state.epoch = record.iteration // engine.state.epoch_length
        self._loader.load_state_dict(state["loader"])
        inside = record.iteration % engine.state.epoch_length
        # inside an epoch, after all that its start set; between two, before what the next start sets
        self._waiting = state
        engine.add_event_handler(Events.GET_BATCH_STARTED if inside else Events.STARTED, self._restore)

    def _require_the_same(self, iteration: int) -> None:
        if self._ranks.highest(iteration) != -self._ranks.highest(-iteration):
            raise CheckpointError(
                f"The processes of this training do not find the same checkpoint (rank {self._ranks.rank}: iteration "
                f"{iteration}). Run again; if that does not help, look at the file system of the step's folder."
            )

    def _restore(self, engine: Engine) -> None:
        state, self._waiting = self._waiting, None
        if state is None or self._loader is None:
            return
        states = self._all_states(engine)
        if states.keys() != state["states"].keys():
            self._folder.clear()
            raise CheckpointError(
                f"The checkpoint holds {', '.join(state['states'])}, the training has {', '.join(states)}. "
                "It was taken away; run again to start this step anew."
            )
        for name, one in states.items():
            one.load_state_dict(state["states"][name])
        _set_gradients(states, state["gradients"])
        set_random_state(state["random"], self._loader.generators)

    def _all_states(self, engine: Engine) -> dict[str, Stateful]:
        scaler = getattr(engine, "scaler", None)
        return {**self._states, **({} if scaler is None else {"scaler": scaler})}

    def _iteration(self, engine: Engine) -> None:
        if self._loader is not None:
            self._loader.iteration = engine.state.iteration
        if not engine.state.epoch_length or engine.state.iteration % engine.state.epoch_length:
            self._act(engine)

    def _boundary(self, engine: Engine) -> None:
        if engine.state.epoch < engine.state.max_epochs:
            self._act(engine)

    def _complete(self, engine: Engine) -> None:
        self.completed = True

    def _act(self, engine: Engine) -> None:
        request = asked_to_stop()
        wish = 2 * (0 if request is None else request.signum) + self._due(engine)
        signum, due = divmod(self._ranks.highest(wish), 2)
        if self._loader is not None and (signum or due):
            self._save(engine, self._loader)
        if signum:
            raise StopSignal(signum)

    def _due(self, engine: Engine) -> bool:
        waited = time.monotonic() - self._last_time
        done = engine.state.iteration - self._last_iteration
        return 0 < self._interval.minutes * 60 <= waited or 0 < self._interval.iterations <= done

    def _save(self, engine: Engine, loader: ResumableLoader) -> None:
        self._last_time, self._last_iteration = time.monotonic(), engine.state.iteration
        own = {"random": random_state(loader.generators), "loader": loader.state_dict()}
        gathered = self._ranks.gather(own)
        if self._ranks.rank == 0:
            self._write(engine, {**own, "others": gathered[1:]})
        self._ranks.highest(0)  # nobody goes on, or leaves, before it is written

    def _write(self, engine: Engine, places: Mapping[str, Any]) -> None:
        state = {
            "states": {name: one.state_dict() for name, one in self._all_states(engine).items()},
            "gradients": _with_gradients(self._states),
            **places,
        }
        try:
            self._folder.save(state, engine.state.iteration, engine.state.epoch_length * engine.state.max_epochs)
        except OSError as error:  # a full disk may have room again before the training ends
            logger.warning("No checkpoint at iteration %d: %s", engine.state.iteration, error)


def _parameters(states: Mapping[str, Stateful]) -> dict[str, torch.nn.Parameter]:
    modules = {name: one for name, one in states.items() if isinstance(one, torch.nn.Module)}
    return {f"{name}:{key}": p for name, module in modules.items() for key, p in module.named_parameters()}


def _with_gradients(states: Mapping[str, Stateful]) -> list[str]:
    """Parameters that have a gradient: an optimiser moves even frozen ones by momentum, unless they never had one."""
    return [name for name, parameter in _parameters(states).items() if parameter.grad is not None]


def _set_gradients(states: Mapping[str, Stateful], names: Sequence[str]) -> None:
    """Zero gradients suffice: trainers start an iteration with them."""
    for name, parameter in _parameters(states).items():
        parameter.grad = torch.zeros_like(parameter) if name in names else None


def stateful(objects: Mapping[str, Any]) -> dict[str, Stateful]:
    """Those of some named objects that have a state, each once; not other engines, and no empty states.

    Of a network that is wrapped for several processes, it is the network itself.
    """
    found: dict[int, tuple[str, Stateful]] = {}
    for name, given in objects.items():
        one = given.module if issubclass(type(given), DistributedDataParallel) else given
        kind = type(one)  # asked for itself, a package that MONAI imports only when it is used would be imported
        methods = callable(getattr(kind, "state_dict", None)) and callable(getattr(kind, "load_state_dict", None))
        if (
            methods
            and not isinstance(one, (Engine, type))
            and (not isinstance(one, torch.nn.Module) or one.state_dict())
        ):
            found.setdefault(id(one), (name, one))
    return dict(found.values())
