"""Rank the pseudo labels of a run by how likely they are wrong, without any truth: which cases to look at first.

Prints the table, writes all of it to RUN/review.csv, and to RUN/audit.csv which label each case had in each generation,
who made it, and how sure it was. To use corrected labels: `atso promote`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "rank pseudo labels by how likely they are wrong"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Run, and how much to show."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="cases to show (default 20); the CSV has all")
    parser.add_argument("--to", type=Path, metavar="FILE.csv", help="default: review.csv in the run folder")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the queue and write the files."""
    from atso_monai.review import audit, queue
    from atso_monai.review.own_file import require_free
    from atso_monai.review.read_run import read_run

    to, history = arguments.to or arguments.run / "review.csv", arguments.run / "audit.csv"
    require_free(to, queue.HEADER)
    require_free(history, audit.HEADER)
    run = read_run(arguments.run)
    found = queue.review_queue(run)
    print(queue.queue_table(found, arguments.top) if found else "There are no pseudo labels yet: see `atso status`.")
    queue.write_queue(found, to)
    audit.write_audit(audit.audit(run), history)
    print(f"\nall {len(found)} cases  {to}\naudit         {history}")
