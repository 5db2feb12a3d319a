"""The run folder: whose it is, what settings it was made with, and that only one engine works in it."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from atso_monai.engine.heartbeat import FILE as SIGN_OF_LIFE
from atso_monai.engine.heartbeat import beating
from atso_monai.engine.orders import CACHE
from atso_monai.engine.record import RESULT
from atso_monai.errors import RunChangedError, RunFolderError
from atso_monai.files import read_json, write_json, write_text

RUN = "run.json"
LOCK = ".lock"
LOST = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
DATA = "data"
"""Folder of scans that were generated for the run."""


@contextlib.contextmanager
def held(run_dir: Path) -> Iterator[None]:
    """Hold a run folder while an engine works in it. A folder in which no run was started is left as it was found.

    Args:
        run_dir: made when missing; an existing one must be empty or hold a run.

    Raises:
        RunFolderError: when the folder holds something else, another engine works in it, or it cannot be written.
    """
    new = _opened(run_dir)
    lock = FileLock(run_dir / LOCK)
    try:
        with _told_when_lost(run_dir), beating(run_dir, _locked(lock, run_dir)):
            for half in run_dir.glob(".tmp-*"):  # of an engine that was killed while it wrote
                half.unlink(missing_ok=True)
            yield
    finally:
        if lock.is_locked:
            _tidy(run_dir, new)
            lock.release()


def _locked(lock: FileLock, run_dir: Path) -> bool:
    """Whether the file system gave the lock; some have none, and then the sign of life must do."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(
            f"Another engine works in {run_dir} at this moment. Wait for it, or choose another output folder."
        ) from None
    except NotImplementedError:
        return False
    except OSError as error:
        raise _unusable(run_dir, error) from None
    return True


@contextlib.contextmanager
def _told_when_lost(run_dir: Path) -> Iterator[None]:
    """A disk that is full or protected all of a sudden is told in words."""
    try:
        yield
    except OSError as error:
        if error.errno not in LOST:
            raise
        raise RunFolderError(
            f"Cannot write to {run_dir} any more: {error.strerror} ({error.filename or 'the disk'}). What was finished "
            "is kept. Free some space, or allow to write; then run the same command again to continue."
        ) from error


def _opened(run_dir: Path) -> bool:
    """Make the folder where it is missing, and say whether it was; what is no folder for a run is refused."""
    try:
        _refuse_others(run_dir)
        new = not run_dir.exists()
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(run_dir, error) from None
    return new


def _unusable(run_dir: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"Cannot write to {run_dir}: {error.strerror}. Choose another output folder.")


def _tidy(run_dir: Path, new: bool) -> None:
    """Take away the traces of an engine that was refused before it started a run; called with the lock held."""
    if (run_dir / RUN).exists():
        return
    shutil.rmtree(run_dir / CACHE, ignore_errors=True)
    if new and any((run_dir / DATA).rglob("phantom.json")):
        shutil.rmtree(run_dir / DATA)  # scans that were generated for this start
    if run_dir.is_dir() and {p.name for p in run_dir.iterdir()} <= {LOCK}:
        (run_dir / LOCK).unlink(missing_ok=True)
        if new:
            run_dir.rmdir()


def settle(run_dir: Path, settings: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Start a run in a held folder, or continue the one in it.

    Args:
        run_dir: the folder.
        settings: all that shapes the results; a run continues only with the same.
        description: further facts for readers, kept beside the settings.

    Raises:
        RunChangedError: when the run in the folder was made with other settings; names each one that differs.
    """
    require_same_settings(run_dir, settings)
    write_json(run_dir / RUN, {**description, "settings": dict(settings)})


def _refuse_others(run_dir: Path) -> None:
    if run_dir.exists() and not run_dir.is_dir():
        raise RunFolderError(f"The output folder {run_dir} is a file. Choose another one.")
    strange = [p.name for p in sorted(run_dir.iterdir()) if not _trace(p)] if run_dir.is_dir() else []
    if strange and not (run_dir / RUN).is_file():
        raise RunFolderError(
            f"The output folder {run_dir} is not empty and holds no run of atso_monai (found {strange[0]!r}). "
            "Nothing was written. Choose a new or an empty folder."
        )


def _trace(path: Path) -> bool:
    """Whether a file or folder can come from an engine that was refused or killed before it started a run."""
    if path.name == DATA and path.is_dir():
        return not any(path.iterdir()) or any(path.rglob("phantom.json"))
    return (
        path.name in (LOCK, SIGN_OF_LIFE)
        or path.name.startswith(".tmp-")
        or (path.name == CACHE and path.is_dir() and {p.name for p in path.iterdir()} <= {"facts", "volumes"})
    )


def require_same_settings(run_dir: Path, settings: Mapping[str, Any]) -> None:
    """Refuse to continue a run with other settings, once a step of it is finished; reads only.

    Args:
        run_dir: a folder, which need not exist.
        settings: all that shapes the results.

    Raises:
        RunChangedError: names each setting that differs.
        RunFolderError: when what the run was made with cannot be read.
    """
    if not (run_dir / RUN).is_file():
        return
    try:
        recorded = read_json(run_dir / RUN)["settings"]
    except (ValueError, KeyError, TypeError):
        raise RunFolderError(
            f"{run_dir / RUN} is damaged, so it cannot be told what the run was made with. "
            "Choose another output folder."
        ) from None
    asked = _flat(settings)
    finished = any(run_dir.rglob(RESULT))  # without any, there is nothing yet that other settings could spoil
    if finished and _flat(recorded) != asked:
        raise RunChangedError(run_dir, _flat(recorded), asked)


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, so that a difference is named to the point."""
    if not isinstance(settings, Mapping) or not settings:
        return {prefix: list(settings) if isinstance(settings, tuple) else settings}
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def place_cache(run_dir: Path, cache_dir: Path | None) -> None:
    """Say in the run folder where prepared volumes are kept: in ``cache/``, or where a file ``cache`` points to."""
    link = run_dir / CACHE
    if cache_dir is None:
        if link.is_file():
            link.unlink()
        link.mkdir(exist_ok=True)
        return
    if link.is_dir():
        shutil.rmtree(link)
    cache_dir.mkdir(parents=True, exist_ok=True)
    write_text(link, f"{cache_dir.resolve()}\n")


def require_space(folder: Path, needed: int) -> None:
    """Refuse to start where the disk cannot hold what the run will write.

    Args:
        folder: a folder on the disk; its nearest existing parent is asked.
        needed: bytes.
    """
    existing = next(p for p in [folder.absolute(), *folder.absolute().parents] if p.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise RunFolderError(
            f"There is not enough space for {folder}: about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free. "
            "Free some, or put the output folder (or --cache-dir) on another disk."
        )
