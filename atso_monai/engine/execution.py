"""Where the steps of a run are carried out, and how many at a time: nothing here changes which steps there are."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import torch

from atso_monai.engine.cluster import Source, require_cluster
from atso_monai.engine.devices import require_enough
from atso_monai.engine.executors import EXECUTORS, start_executor
from atso_monai.engine.preflight import require_devices
from atso_monai.engine.schedule import Room
from atso_monai.engine.scheme import at_least
from atso_monai.errors import ConfigError


@dataclass(frozen=True)
class Execution:
    """Where steps are carried out; the attributes are options of :class:`~atso_monai.engine.Engine`."""

    executor: str = "local"
    workers: int = 2
    threads: int = 1
    devices: tuple[str, ...] = ()
    cluster: Source = None
    ranks: int = 1

    def require_sound(self) -> None:
        """Refuse what no machine could carry out.

        Raises:
            ConfigError: names the option and what it may be.
        """
        if self.executor not in EXECUTORS:
            raise ConfigError(f"executor must be one of {', '.join(EXECUTORS)}. Received: {self.executor!r}.")
        for name in ("workers", "threads", "ranks"):
            at_least(name, getattr(self, name), 1)
        require_enough(self.devices, self.ranks)

    def require_devices(self) -> None:
        """Refuse devices, or a number of ranks, that this machine lacks; those of a cluster are asked for there.

        Raises:
            ConfigError: names what is missing.
        """
        if self.executor == "dask":
            return
        require_devices(self.devices)
        if self.ranks > 1 and not torch.distributed.is_available():
            raise ConfigError(f"ranks: {self.ranks} needs torch.distributed, which this PyTorch lacks. Take ranks: 1.")
        self.require_gpus(torch.cuda.device_count())

    def require_gpus(self, count: int) -> None:
        """Refuse ranks that take GPUs by themselves, the first ones of a machine with ``count``, but have not enough.

        Raises:
            ConfigError: when they are too few, or several trainings would take the same ones.
        """
        if self.executor == "dask" or self.ranks == 1 or self.devices or not count:
            return
        if count < self.ranks:
            raise ConfigError(
                f"ranks: {self.ranks} takes {self.ranks} GPUs for each training, but this machine has {count}. "
                f"Take ranks: {count}."
            )
        if self.executor != "inline" and self.workers > 1:
            names = ", ".join(f"cuda:{number}" for number in range(count))
            raise ConfigError(
                f"ranks: {self.ranks} and workers: {self.workers} without devices would put trainings on the same "
                f"GPUs. Take workers: 1, or devices: [{names}]."
            )

    def require_cluster(self) -> None:
        """Refuse a cluster that cannot be had; see :func:`~atso_monai.engine.cluster.require_cluster`."""
        if self.executor == "dask":
            require_cluster(self.cluster)

    @property
    def room(self) -> Room:
        """For which steps there is room at one time."""
        if self.executor == "inline":
            return Room(1)
        of_their_own = self.executor == "dask" and self.cluster is not None  # the cluster knows what its workers have
        return Room(self.workers, 0 if of_their_own else len(self.devices), self.ranks)

    @property
    def gpus(self) -> int:
        """GPUs that a machine needs for it, of which the first is ``cuda:0``; without devices as many as ``ranks``."""
        if self.executor == "dask" and self.cluster is not None:
            return 0
        split = [name.partition(":") for name in self.devices]
        numbers = [int(number) if number.isdecimal() else 0 for kind, _, number in split if kind != "cpu"]
        return 1 + max(numbers, default=-1) if self.devices else self.ranks

    def shared_folder(self, run_dir: Path) -> Path | None:
        """Where a trial can lie that workers on other machines must see: as near to the run folder as there is one."""
        return next(path for path in run_dir.parents if path.is_dir()) if self.executor == "dask" else None

    def start(self, folder: Path, workers: int | None = None) -> Executor:
        """Start the executor.

        Args:
            folder: an existing folder that all workers must see at the same path.
            workers: steps at a time; None takes those of the run.
        """
        return start_executor(self.executor, workers or self.workers, self.devices, self.cluster, folder, self.ranks)
