"""A copy of a bundle to work in, so that nothing that the bundle writes reaches its own folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from atso_monai.errors import ConfigError
from atso_monai.files import hash_file, hash_json

FOLDER = "bundle_root"
"""Name of the copy inside a step's folder."""
SMALL = 1 << 20
_LEFT_OUT = {"__pycache__", ".git"}
_TEXTS = (".py", ".json", ".yaml", ".yml", ".txt", ".csv")
_CONFIGURATIONS = ("train", "inference", "evaluate", "multi_gpu", "metadata", "logging", "atso")


def working_copy(root: Path, target: Path) -> None:
    """Copy a bundle's small files to ``target`` and link the others (above 1 MiB: weights, data).

    Raises:
        ConfigError: when the bundle cannot be read.
    """
    try:
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(set(folders) - _LEFT_OUT)
            inside = target / os.path.relpath(folder, root)
            inside.mkdir(parents=True, exist_ok=True)
            for name in files:
                _place(Path(folder, name), inside / name)
    except OSError as error:
        raise ConfigError(f"The bundle {root} cannot be read: {error}.") from None


def _place(file: Path, target: Path) -> None:
    if file.stat().st_size > SMALL:
        try:
            target.symlink_to(file.resolve())
            return
        except OSError:
            pass  # a file system without links
    shutil.copyfile(file, target)


def code_digest(root: Path) -> str:
    """One hash for what a bundle computes with beside its configurations: code, and small text files that they read."""
    found = {}
    for file in sorted(p for p in root.rglob("*") if p.suffix in _TEXTS and p.is_file()):
        inside = file.relative_to(root)
        described = inside.parts[0] == "configs" and inside.name.startswith(_CONFIGURATIONS)
        if not described and not _LEFT_OUT.union({"docs"}).intersection(inside.parts) and file.stat().st_size <= SMALL:
            found[inside.as_posix()] = hash_file(file)
    return hash_json(found)[:16]
