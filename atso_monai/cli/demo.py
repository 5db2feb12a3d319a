"""Run ATSO and its controls on generated abdominal CTs, in a few minutes on two cores. Needs no data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "ATSO end to end on generated scans"
DEFAULT = Path("runs") / "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the demo goes; every id of the bundle's atso.yaml can be set as --id value besides."""
    parser.add_argument("--output_dir", "--output-dir", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Run the embedded bundle with its demo overlay, and draw one case."""
    from atso_monai.cli import settings
    from atso_monai.engine.engine import print_run

    own = argparse.Namespace(bundle="phantom_pancreas", overlay=["demo"], images=None, labels=None)
    run = settings.workflow(own, ["--output_dir", str(arguments.output_dir), *rest]).engine.run()
    print_run(run)
