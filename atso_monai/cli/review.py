"""Rank the pseudo labels of a run by how likely they are wrong, without any truth: which cases to look at first.

Prints the table, writes all of it to RUN/review.csv, and to RUN/audit.csv which label each case had in each generation,
who made it, and how sure it was. To use corrected labels: `atso promote`.

Columns: `... pts` (in the CSV `..._points`) are points of suspicion, the more the worse, and `score` is their sum.
  disagree  100 x (1 - Dice of the fold models with each other), mean over classes
  moved     50 x (1 - Dice with the label of the generation before), mean over classes
  volume    up to 50 for a volume unlike those of the labelled cases
  pieces    up to 50 for pieces that labelled cases do not have
  empty     up to 100 for a class that is missing
(0) in brackets: the label is empty, and two empty labels agree perfectly. In the CSV, `agreement` and `change` are the
Dice values themselves, from 0 to 1, where 1 is the same label."""

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
