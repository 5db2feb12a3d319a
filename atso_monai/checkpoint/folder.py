"""Where a training keeps its checkpoint: one file of tensors and a record of what it belongs to, written last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from atso_monai.errors import CheckpointError
from atso_monai.files import atomic_path, hash_file, read_json, write_json

FOLDER = "checkpoint"
RECORD = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """Record of a checkpoint.

    Attributes:
        belongs_to: what made it: key of the step, versions, threads.
        file: name of the file of tensors, in the same folder.
        sha256: its hash.
        iteration: iterations done.
        total: iterations of the whole training.
        beside: SHA-256 of the artefacts that the training had written by then, by name in the step folder.
    """

    belongs_to: Mapping[str, Any]
    file: str
    sha256: str
    iteration: int
    total: int
    beside: Mapping[str, str]


class CheckpointFolder:
    """The checkpoint of one step; the last one takes the place of the one before when it is complete.

    Args:
        step: the step folder.
        belongs_to: what a checkpoint must have been made by to be used.
        pattern: the artefacts of the step that are written while it runs.
    """

    def __init__(self, step: Path, belongs_to: Mapping[str, Any], pattern: str = "*.pt") -> None:
        self._step, self._folder = step, step / FOLDER
        self._belongs_to, self._pattern = dict(belongs_to), pattern

    def read(self) -> Checkpoint | None:
        """The record, or None where there is none that can be read."""
        try:
            return Checkpoint(**read_json(self._folder / RECORD))
        except (OSError, ValueError, TypeError):
            return None

    def problem(self) -> str:
        """Why there is nothing to go on from; empty where the checkpoint holds, or where there never was one."""
        if not self._folder.is_dir() or not any(self._folder.glob("[!.]*")):
            return ""
        record = self.read()
        if record is None:
            return f"{RECORD} is missing or cannot be read"
        known = {**dict(record.belongs_to), **self._belongs_to}
        for name in sorted(known):
            was, now = record.belongs_to.get(name), self._belongs_to.get(name)
            if was != now:
                return "what it is made from changed" if name == "key" else f"it was made with {name} {was}, now {now}"
        return self._damage(record)

    def _damage(self, record: Checkpoint) -> str:
        files = {self._folder / record.file: record.sha256}
        files |= {self._step / name: digest for name, digest in record.beside.items()}
        for path, digest in files.items():
            if not path.is_file():
                return f"{path.name} is missing"
            if hash_file(path) != digest:
                return f"{path.name} is not as it was written"
        return ""

    def usable(self) -> Checkpoint | None:
        """The record of a checkpoint that holds."""
        return None if self.problem() else self.read()

    def save(self, state: Mapping[str, Any], iteration: int, total: int) -> None:
        """Write a checkpoint; until its record is there, the one before counts.

        Raises:
            OSError: when it cannot be written; the one before is kept.
        """
        file = f"state-{iteration:08d}.pt"
        try:
            with atomic_path(self._folder / file) as temporary, temporary.open("wb") as stream:
                torch.save(dict(state), stream)
                stream.flush()
                os.fsync(stream.fileno())  # a power cut must not take the old and the new one
        except RuntimeError as error:  # torch's word for a full disk
            raise OSError(f"the checkpoint cannot be written: {error}") from error
        beside = {path.name: hash_file(path) for path in sorted(self._step.glob(self._pattern))}
        digest = hash_file(self._folder / file)
        write_json(self._folder / RECORD, asdict(Checkpoint(self._belongs_to, file, digest, iteration, total, beside)))
        self._drop_others([RECORD, file])

    def load(self) -> tuple[Checkpoint, dict[str, Any]] | None:
        """Record and content of a checkpoint that holds, tensors on the CPU; None where there is none.

        Raises:
            CheckpointError: when the file holds more than ``weights_only=True`` allows.
        """
        record = self.usable()
        if record is None:
            return None
        path = self._folder / record.file
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            self.clear()
            raise CheckpointError(
                f"{path} is not a checkpoint that can be read safely: {str(error)[:200]}\n"
                "It was taken away; run again to start this step anew."
            ) from None
        return record, state

    def clear(self) -> None:
        """Take the checkpoint away."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def keep(self) -> Sequence[str]:
        """Tidy up, and name all that has to stay in the step folder for the checkpoint to hold; else nothing."""
        record = self.usable()
        if record is None:
            return ()
        self._drop_others([RECORD, record.file])
        return (FOLDER, *record.beside)

    def _drop_others(self, names: Sequence[str]) -> None:
        for path in self._folder.iterdir():
            if path.name not in names:
                path.unlink(missing_ok=True)
