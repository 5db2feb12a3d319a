"""The errors that a person meets: what happened, what was received, the way out.

Every :class:`AtsoError` is shown by the command line without a traceback, with exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


class AtsoError(Exception):
    """Base of all errors with a message written for the person at the keyboard."""

    exit_code = 2


class CohortError(AtsoError):
    """The cohort cannot be used as it is; the message lists every problem at once."""


class PrepareError(AtsoError):
    """A volume cannot be put on, or brought back from, the training grid."""


class ConfigError(AtsoError):
    """A configuration value is unknown, misspelt, or does not fit."""


class CheckpointError(AtsoError):
    """A checkpoint is missing, damaged, or does not fit the network."""


class RunFolderError(AtsoError):
    """The output folder cannot be used: another run, another engine, or no space."""


class RunChangedError(RunFolderError):
    """A run folder holds the work of other settings than those asked for now.

    Attributes:
        changed: names of the settings that differ, sorted.
    """

    def __init__(self, run_dir: Path, recorded: Mapping[str, object], asked: Mapping[str, object]) -> None:
        self.changed = sorted(k for k in recorded.keys() | asked.keys() if recorded.get(k) != asked.get(k))
        rows = "".join(f"  {k}: was {recorded.get(k)!r}, now {asked.get(k)!r}\n" for k in self.changed)
        super().__init__(
            f"Cannot resume {run_dir}: its settings changed.\n{rows}"
            "Put the old values back to resume, or start a new run in another output folder."
        )


class ClusterError(AtsoError):
    """The workers that steps are to run on cannot be reached or cannot be used."""


class ClusterLostError(ClusterError):
    """The scheduler went away while steps ran; with the exit code on which a batch system starts the run again."""

    exit_code = 75


class VerifyError(AtsoError):
    """Finished work is not as its records say."""

    exit_code = 1


class StepFailedError(AtsoError):
    """A step of the plan failed; what was finished before it is kept.

    Attributes:
        step: name of the step, e.g. ``model/g1/f2/axial``.
        log: the step's own log file.
    """

    exit_code = 1

    def __init__(self, step: str, reason: str, log: Path) -> None:
        self.step = step
        self.log = log
        super().__init__(
            f"Step {step} failed: {reason}\n"
            f"Its log: {log}\n"
            "Steps that had finished are kept. Run the same command again to continue from here."
        )


def cause_of(error: BaseException | None) -> AtsoError | None:
    """The error of ours that another one was raised from (MONAI wraps all that a configuration raises), or None."""
    while error is not None and not isinstance(error, AtsoError):
        error = error.__cause__
    return error


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the closest of ``known``, or an empty string where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_of(what: str, value: object, known: Sequence[str]) -> None:
    """Raise ConfigError, with the nearest known word, unless ``value``, called ``what``, is one of ``known``."""
    if value not in known:
        raise ConfigError(f"{what} must be one of {', '.join(known)}. Received: {value!r}.{nearest(str(value), known)}")
