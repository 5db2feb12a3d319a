"""Which cluster the steps of a run go to: a scheduler by address, or a description from which one is started."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from atso_monai.errors import ClusterError, ConfigError
from atso_monai.files import as_given

Source = str | Path | Callable[[], Any] | None
"""An address such as ``tcp://host:8786``, a YAML file with the description of a cluster, or a function that starts
one; None is a cluster on this machine."""
PATIENCE = 10.0
"""Seconds that a scheduler has to answer."""


def require_cluster(source: Source) -> None:
    """Refuse a cluster that cannot be had, before anything is read or written. Starts nothing.

    Raises:
        ConfigError: when the package for it is missing, or the description is none.
        ClusterError: when no scheduler answers at the address.
    """
    if importlib.util.find_spec("distributed") is None:
        raise ConfigError("executor: dask needs the package dask.distributed: pip install 'atso_monai[dask]'.")
    if isinstance(source, str) and "://" in source:
        connect(source).close()
    elif isinstance(source, (str, Path)):
        described(source)


def connect(cluster: Any) -> Any:
    """A client of a scheduler (address) or of a started cluster.

    Raises:
        ClusterError: when no scheduler answers.
    """
    from distributed import Client

    try:
        return Client(cluster, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"No dask scheduler answers at {cluster}: {error}. Start one (dask scheduler), or correct cluster. "
            "What was finished is kept."
        ) from None


def described(file: str | Path) -> Callable[[], Any]:
    """The function that starts the cluster which a YAML file describes: a class as ``_target_`` and its arguments.

    Raises:
        ConfigError: when there is no such file or it describes no cluster.
    """
    path = as_given(file)
    if not path.is_file():
        raise ConfigError(
            f"cluster must be the address of a scheduler (tcp://host:8786) or a file that describes a cluster. "
            f"Received: {str(path)!r}."
        )
    try:
        config = {**ConfigParser.load_config_file(str(path)), "_mode_": "callable"}
        maker = ConfigParser({"cluster": config}).get_parsed_content("cluster")
    except Exception as error:
        raise ConfigError(f"{path} describes no cluster: {_root(error)}") from None
    if not callable(maker):
        raise ConfigError(f"{path} describes no cluster: it has no _target_ such as dask_jobqueue.SLURMCluster.")
    return maker  # type: ignore[no-any-return]


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def start_cluster(source: Source, workers: int, devices: int) -> Any:
    """Start the cluster that a source describes, with ``workers`` workers; None is one on this machine.

    Returns:
        the cluster; for an address the address.
    """
    if source is None:
        return _on_this_machine(workers, devices)
    if isinstance(source, str) and "://" in source:
        return source
    cluster = (source if callable(source) else described(source))()
    cluster.adapt(minimum=workers, maximum=workers)  # unlike scale, it replaces those that are lost
    return cluster


def _on_this_machine(workers: int, devices: int) -> Any:
    """Workers of one step each; with devices one worker that lends them."""
    import dask
    from distributed import LocalCluster
    from distributed.utils import get_mp_context

    from atso_monai.engine.processes import FreshProcesses, start_method, without_main

    # for good, since workers that take the place of lost ones are started later
    dask.config.set({"distributed.worker.daemon": False, "distributed.worker.multiprocessing-method": start_method()})
    get_mp_context()  # sets what dask wants the fork server to import, which the next line replaces
    FreshProcesses()
    shape: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1}
    if devices:
        shape = {"n_workers": 1, "threads_per_worker": min(workers, devices), "resources": {"GPU": devices}}
    with without_main():
        return LocalCluster(processes=True, memory_limit=0, dashboard_address=":0", silence_logs=50, **shape)
