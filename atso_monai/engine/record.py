"""What is done: one ``result.json`` per step folder, written last, with the hashes of all that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from atso_monai.files import hash_file, hash_json, read_json, write_json

RESULT = "result.json"


@dataclass(frozen=True)
class Result:
    """Record of a finished step.

    Attributes:
        makes: name of the artefact.
        key: hash of the request: configuration, cases, contents and the digests of the artefacts that it read.
        files: artefact files (names inside the step folder) and their SHA-256.
        seconds: wall time of the bundle run.
        settings: versions, threads and device: not part of the key, kept for the reader.
    """

    makes: str
    key: str
    files: Mapping[str, str]
    seconds: float
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """One hash for the whole artefact: its files and their contents."""
        return hash_json(dict(self.files))


def write_result(folder: Path, result: Result) -> None:
    """Declare a step done. Nothing else does."""
    write_json(folder / RESULT, asdict(result))


def read_result(folder: Path) -> Result | None:
    """The record of a step folder, or None where there is none that can be read."""
    try:
        result = Result(**read_json(folder / RESULT))
        return result if isinstance(result.files, dict) else None
    except (OSError, json.JSONDecodeError, TypeError, UnicodeDecodeError):
        return None


def hash_files(folder: Path, pattern: str) -> dict[str, str]:
    """SHA-256 of the artefact files of a step folder, by name, sorted."""
    return {path.name: hash_file(path) for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")}


def why_not_done(folder: Path, key: str | None = None) -> str:
    """Why the record of a step does not hold, or an empty string where it does.

    Args:
        folder: the step folder.
        key: the key that the step would get now; None leaves that unchecked.
    """
    if not (folder / RESULT).exists():
        return "not made yet"
    result = read_result(folder)
    if result is None:
        return f"{RESULT} cannot be read"
    if key is not None and result.key != key:
        return "what it is made from changed"
    for name, digest in result.files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if hash_file(path) != digest:
            return f"{name} is not as it was written"
    return ""
