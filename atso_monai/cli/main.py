"""``atso``: the commands and what they share."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

import atso_monai
from atso_monai.cli import (
    check,
    compare,
    demo,
    export,
    plan,
    predict,
    prepare,
    promote,
    report,
    review,
    run,
    slurm,
    status,
)
from atso_monai.stopping import StopSignal, stop_signals

COMMANDS = (demo, prepare, check, run, plan, status, slurm, predict, report, compare, review, promote, export)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit code (0 done, 1 a step failed, 2 bad input, 130 interrupted)."""
    parser = argparse.ArgumentParser(prog="atso", description=atso_monai.__doc__)
    parser.add_argument("--version", action="version", version=atso_monai.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        name = command.__name__.rsplit(".", 1)[1]
        sub = commands.add_parser(
            name,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # --label is a misspelt --labelled, not --labels
        )
        command.add_arguments(sub)
        sub.set_defaults(carry_out=command.carry_out)
    words = list(sys.argv[1:] if argv is None else argv)
    own = words[: words.index("--")] if words[:1] == ["slurm"] and "--" in words else words
    arguments, rest = parser.parse_known_args(own)
    if rest and arguments.command not in ("run", "plan", "demo", "check"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with stop_signals():  # from here on: what follows imports for seconds, which --help need not wait for
            _carry_out(arguments, [*rest, *words[len(own) + 1 :]])
    except StopSignal as stop:
        print(f"\n{stop} before any work began (exit code {stop.exit_code}).", file=sys.stderr)
        return stop.exit_code
    return 0


def _carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    from atso_monai.engine.command import clean_exit

    _quiet()
    with clean_exit():
        arguments.carry_out(arguments, rest)


def _quiet() -> None:
    """MONAI's own remarks on configuration files are for its developers; steps log them to their own files."""
    logging.getLogger("monai").setLevel(logging.ERROR)
    logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it logs each error that it passes on
    warnings.filterwarnings("ignore", module="monai")


if __name__ == "__main__":
    sys.exit(main())
