"""Files that commands write for people: never over something that a person made."""

from __future__ import annotations

from pathlib import Path

from atso_monai.errors import AtsoError


class OutputExistsError(AtsoError):
    """There is a file where a command was to write one."""


def require_free(path: Path, ours: str | None = None) -> None:
    """Refuse to write over a file, unless it begins like those that the same command writes.

    Args:
        path: the file to write.
        ours: how our own files begin; None refuses any existing file.

    Raises:
        OutputExistsError: when the file is somebody else's, or a folder.
    """
    if not path.exists() and not path.is_symlink():
        return
    if ours is not None and path.is_file():
        with path.open("rb") as file:
            if file.read(len(ours.encode())) == ours.encode():
                return
    raise OutputExistsError(f"Will not write over {path}, which this command did not make. Choose another file: --to.")
