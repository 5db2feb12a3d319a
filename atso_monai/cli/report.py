"""Write one HTML file about a run that can be shown, mailed and printed: curves, tables, pictures, doubtful cases.

Works for unfinished runs and without any known truth, and says what cannot be known then. Further runs (other seeds,
splits or strategies of the same task) add their curves and a table over runs. For example:

  atso report runs/mine
  atso report runs/seed0 runs/seed1 runs/seed2 --to report.html"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "write an HTML report of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Runs, and the file to write."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the run folder, and others beside it")
    parser.add_argument("--to", type=Path, metavar="FILE.html", help="default: report.html in the run folder")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Write the report, and say where it is."""
    from atso_monai.review.read_run import read_run
    from atso_monai.review.report import write_report

    to = arguments.to or arguments.runs[0] / "report.html"
    print(f"report  {write_report([read_run(run) for run in arguments.runs], to)}")
