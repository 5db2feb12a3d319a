"""Check all that `atso run` with the same arguments needs, and tell what the run will take: hours, memory, disk.

Trains for some seconds and labels two cases in a temporary folder; the run folder is not touched. Refuses what cannot
fit, with the option that would make it fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from atso_monai.cli import settings

HELP = "check a run; tell its hours, memory and disk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of every command that sets up a run, and how long to try a training."""
    settings.add_arguments(parser)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to try a training; default: 20")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the forecast."""
    from atso_monai.engine.forecast import forecast_table

    found = settings.workflow(arguments, rest).engine.forecast(arguments.seconds)
    print(f"all checks passed\n\n{forecast_table(found)}")
