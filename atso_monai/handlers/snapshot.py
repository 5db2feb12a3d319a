"""Weights of a network as they were after an early epoch."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from atso_monai.files import atomic_path


class Snapshot:
    """Saves ``{"model": state_dict}`` of a network after one epoch, as the start for later generations.

    Source: ATSO section 4.2, whose "scratch" model is the snapshot of M_0 after the first stages of its training.

    Args:
        network: the network to save.
        path: the file to write.
        epoch: after which epoch, from 1; 0 saves nothing.
    """

    def __init__(self, network: torch.nn.Module, path: str | Path, epoch: int) -> None:
        self._network = network
        self._path = Path(path)
        self._epoch = epoch

    def attach(self, engine: Engine) -> None:
        """Register at the end of every epoch."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save where the epoch is the one asked for."""
        if engine.state.epoch == self._epoch:
            # to an open file: given a path, torch.save writes its name, here a temporary one, into the archive
            with atomic_path(self._path) as temporary, temporary.open("wb") as file:
                torch.save({"model": self._network.state_dict()}, file)
