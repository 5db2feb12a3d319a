"""Compare strategies case by case: the mean difference with its interval, and what may be said of it.

With one run, its own strategy against each that it was run beside (--compare of `atso run`); with several runs, what
the first delivers against what each other one delivers. For example:

  atso compare runs/mine
  atso compare runs/mine runs/mine-promoted --on test
  atso compare runs/mine --strategies stso self_learning --label liver
  atso compare runs/mine --metric hd95"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "compare strategies or runs case by case"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, and what to compare them on."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--on", choices=("test", "reference"), action="append", help="default: both, where known")
    parser.add_argument("--metric", default="dsc", metavar="METRIC", help="dsc (default), or hd95 or assd in mm")
    parser.add_argument("--label", help="a class; left out, the whole foreground")
    parser.add_argument("--strategies", nargs="+", default=[], metavar="STRATEGY", help="the first against the others")
    parser.add_argument("--to", type=Path, metavar="FILE.csv", help="also write the differences as CSV")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the table and the sentences."""
    from atso_monai.review.compare_runs import arms_of, compare_all, comparison_text, write_comparison
    from atso_monai.review.own_file import require_free
    from atso_monai.review.read_run import read_run

    if arguments.to is not None:
        require_free(arguments.to)
    arms = arms_of([read_run(run) for run in arguments.runs], arguments.strategies)
    found = compare_all(arms, arguments.on or (), arguments.label, arguments.metric)
    print("\n\n".join(comparison_text(one) for one in found))
    if arguments.to is not None:
        write_comparison(found, arguments.to)
        print(f"\ndifferences  {arguments.to}")
