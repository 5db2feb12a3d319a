"""The project's own environment: made once in .venv, brought up to date when its requirements change."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ("setup.cfg", "pyproject.toml", "constraints.txt")


def python() -> Path:
    """The interpreter of the environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure(extra: str = "") -> Path:
    """Make or update the environment and return its interpreter.

    Args:
        extra: an extra of the package to install, e.g. ``test``.
    """
    if sys.version_info < (3, 10):  # noqa: UP036 - this is where other versions are told
        sys.exit(f"Python 3.10 or newer is needed. Received: {sys.version.split()[0]}.")
    stamp = VENV / f".installed-{extra or 'plain'}-{_fingerprint()}"
    if not stamp.is_file():
        if not python().is_file():
            print(f"making {VENV}", flush=True)
            venv.create(VENV, with_pip=True)
        print("installing (a few minutes the first time)", flush=True)
        package = f".[{extra}]" if extra else "."
        pip = [str(python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", "constraints.txt", "-e", package], cwd=ROOT, check=True)
        stamp.touch()
    return python()


def run(*command: str | Path) -> int:
    """Run a command from the project's folder; returns its exit code."""
    print("$", *command, flush=True)
    return subprocess.run([str(word) for word in command], cwd=ROOT, check=False).returncode


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in REQUIREMENTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:12]
