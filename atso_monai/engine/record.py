"""What is done: one ``result.json`` per step folder, written last, with the hashes of all that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from atso_monai.files import hash_file, hash_json, read_json, write_json

RESULT = "result.json"
NOT_MADE = "not made yet"


@dataclass(frozen=True)
class Result:
    """Record of a finished step.

    Attributes:
        makes: name of the artefact.
        key: hash of the request: configuration, cases, contents and the digests of the artefacts that it read.
        files: artefact files (names inside the step folder) and their SHA-256.
        seconds: wall time of the bundle run.
        settings: versions, threads, workers and device: not part of the key, kept for the reader.
        made_from: what it was made from, by hash: the files of the step folder that describe it, the artefacts that it
            read (``needs``), the configurations of the bundle, the cohort.
        seal: hash of all the rest, by which a record that was edited is found out.
    """

    makes: str
    key: str
    files: Mapping[str, str]
    seconds: float
    settings: Mapping[str, object] = field(default_factory=dict)
    made_from: Mapping[str, Any] = field(default_factory=dict)
    seal: str = ""

    @property
    def digest(self) -> str:
        """One hash for the whole artefact: its files and their contents."""
        return hash_json(dict(self.files))

    def sealed(self) -> Result:
        """The same record with the seal that fits it."""
        return replace(self, seal=hash_json({**asdict(self), "seal": ""}))


def write_result(folder: Path, result: Result) -> None:
    """Declare a step done. Nothing else does."""
    write_json(folder / RESULT, asdict(result.sealed()))


def read_result(folder: Path) -> Result | None:
    """The record of a step folder, or None where there is none that can be read, or one that was edited."""
    result = _read(folder)
    return result if result is not None and result == result.sealed() else None


def _read(folder: Path) -> Result | None:
    try:
        result = Result(**read_json(folder / RESULT))
        return result if isinstance(result.files, dict) and isinstance(result.made_from, dict) else None
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
        return NOT_MADE
    result = _read(folder)
    if result is None:
        return f"{RESULT} cannot be read"
    if result != result.sealed():
        return f"{RESULT} is not as it was written"
    if key is not None and result.key != key:
        return "what it is made from changed"
    return damage(folder, result.files)


def damage(folder: Path, files: Mapping[str, str]) -> str:
    """The first of some files (name to SHA-256) that is gone or changed, in words; empty where all are as written."""
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if hash_file(path) != digest:
            return f"{name} is not as it was written"
    return ""
