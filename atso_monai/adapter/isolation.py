"""A bundle's own Python code, importable while the bundle runs and forgotten afterwards."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def own_code(root: Path) -> Iterator[None]:
    """Put a bundle's folder first on ``sys.path``, and let nothing imported from it outlive the block.

    Two bundles may both have a package ``scripts``: modules of such names that other code imported before are put
    aside for the time of the block, and put back.

    Args:
        root: the bundle's folder; without Python code in it, only ``sys.path`` is put back.
    """
    names, before, path = _top_names(root), dict(sys.modules), list(sys.path)
    for name in [n for n in sys.modules if n.partition(".")[0] in names]:
        del sys.modules[name]
    if names:
        sys.path.insert(0, str(root.resolve()))
        importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [n for n in sys.modules if n.partition(".")[0] in names]:
            del sys.modules[name]
        sys.modules.update({n: module for n, module in before.items() if n.partition(".")[0] in names})


@contextlib.contextmanager
def own_workers(rewired: bool) -> Iterator[None]:
    """Start the workers of a bundle's data loaders in the way that it was written for: fork on Linux, else spawn.

    The processes in which steps run would use forkserver, as Python 3.14 does everywhere. MONAI then refuses to invert
    what workers have applied (it compares the ids of objects), and transforms that are lambdas cannot be sent to them.

    Args:
        rewired: whether the bundle is one of other people; for the engine's own, nothing is changed.
    """
    before = multiprocessing.get_start_method(allow_none=True)
    if rewired:
        multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn", force=True)
    try:
        yield
    finally:
        if rewired:
            multiprocessing.set_start_method(before, force=True)


def _top_names(root: Path) -> set[str]:
    """Names of the modules and packages (with or without ``__init__.py``) that lie in a folder."""
    if not root.is_dir():
        return set()
    files = {path.stem for path in root.glob("*.py")}
    return files | {path.name for path in root.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
