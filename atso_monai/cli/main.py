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

WORDS = """\
the words:
  labelled set S     scans with labels; every model trains on them
  reference set R    scans without; each gets a pseudo label
  pseudo label       a label that a model made
  test set E         scans with labels that no model trains on
  reference fold     a part of R: f1, f2, ...
  generation         one round of labelling R and training anew; 0 is the model of S alone
  strategy           what models learn from:
    atso               S and R; each fold is labelled by a model that did not train on it; students start anew
    stso               S and R; the last model labels all of R; students start anew
    self_learning      the same, but a student goes on from its teacher's weights
    supervised         S alone
    supervised_matched S alone, with as many steps as the strategy compared spends in all
    oracle             S and R, with the true labels of R, where they are known
  snapshot           early weights of the first model that students may start from (--start snapshot)
  step               one training, prediction or scoring, in a folder of its own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit code (0 done, 1 a step failed, 2 bad input, 130 interrupted)."""
    parser = argparse.ArgumentParser(
        prog="atso",
        description=atso_monai.__doc__,
        epilog=WORDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
