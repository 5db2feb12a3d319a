"""How much memory this machine, or this job's share of it, has."""

from __future__ import annotations

import os
from pathlib import Path

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux tells the limit of a container or of a Slurm job (version 2 and version 1 of its control groups)."""


def memory_bytes() -> int:
    """Bytes that the processes of a run may take together; 0 where the system does not tell."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
    limits = [int(text) for path in LIMITS if (text := _text(path)).isdigit()]
    return min(machine, *limits) if limits else machine


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
