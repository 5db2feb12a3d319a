"""Manners on the command line of ``python -m monai.bundle``, which has few of its own."""

from __future__ import annotations

import ast
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from monai.bundle import ConfigParser

from atso_monai.adapter.tree import ids_of
from atso_monai.engine.run import print_run
from atso_monai.errors import ConfigError, cause_of, nearest
from atso_monai.stopping import StopSignal

if TYPE_CHECKING:
    from atso_monai.engine.engine import Engine

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MONAI_ARGUMENTS = {
    "run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file",
    "workflow_name", "workflow_type", "properties_path",
}  # fmt: skip


@contextlib.contextmanager
def clean_exit() -> Iterator[None]:
    """Show an :class:`~atso_monai.errors.AtsoError` as its message alone and leave with its exit code.

    Raises:
        SystemExit: in place of the error; 130 after Ctrl-C, 75 after SIGTERM or SIGUSR1.
    """
    try:
        yield
    except Exception as error:
        if (ours := cause_of(error)) is None:
            raise
        print(f"\nerror: {ours}", file=sys.stderr)
        raise SystemExit(ours.exit_code) from None
    except KeyboardInterrupt as error:
        stop = error if isinstance(error, StopSignal) else StopSignal(signal.SIGINT)
        print(f"\n{stop}. Run the same command again to continue (exit code {stop.exit_code}).", file=sys.stderr)
        raise SystemExit(stop.exit_code) from None


def under_monai(argv: Sequence[str]) -> bool:
    """Whether this process is ``python -m monai.bundle``."""
    return Path(argv[0]).parts[-3:] == ("monai", "bundle", "__main__.py")


def exits_cleanly(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function that MONAI's command line calls end in the manner of :func:`clean_exit`; elsewhere, as it is."""

    @wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with clean_exit() if under_monai(sys.argv) else contextlib.nullcontext():
            return function(*args, **kwargs)

    return called


def refuse_unknown_arguments(argv: Sequence[str]) -> None:
    """Refuse ``--id value`` arguments of ``python -m monai.bundle run`` whose id no configuration file has.

    Raises:
        ConfigError: names the id and the nearest known one.
    """
    if not under_monai(argv) or "--config_file" not in " ".join(argv):
        return
    given = _arguments(argv)
    files = _file_list(given.pop("config_file", ""))
    config = ConfigParser.load_config_files(files)
    parser = ConfigParser(config)
    for key in given:
        if key not in MONAI_ARGUMENTS and key not in parser:
            raise ConfigError(f"{' and '.join(files)} has no id {key!r}.{nearest(key, ids_of(config))}")


def _arguments(argv: Sequence[str]) -> dict[str, str]:
    found, name = {}, ""
    for word in argv[1:]:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value
        elif name:
            found[name] = word
    return found


def _file_list(text: str) -> list[str]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    return [str(file) for file in value] if isinstance(value, (list, tuple)) else [str(value)]


def run_or_exit(engine: Engine) -> None:
    """Run an engine from a bundle configuration: tables to standard output, errors as one message and an exit code.

    ``python -m monai.bundle run`` takes misspelt arguments without a word, so they are looked for here.

    Raises:
        SystemExit: with 2 for what a person can mend before work starts, 1 for a step that failed.
    """
    with clean_exit():
        refuse_unknown_arguments(sys.argv)
        print_run(engine.run())
