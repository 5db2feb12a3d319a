"""Show how far a run is, from its folder alone; the run goes on meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "show how far a run is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the table of steps."""
    from atso_monai.engine.status import recorded_plan, status_table

    print(status_table(recorded_plan(arguments.run), arguments.run))
