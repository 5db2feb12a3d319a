"""Run ATSO, or continue a run: scans and a few labels in, pseudo labels and a model out.

Every id of the bundle's configs/atso.yaml can be set as --id value, for example:

  atso run --bundle msd_hippocampus --dataset_dir Task04_Hippocampus --output_dir runs/hippocampus
  atso run --images scans --labels labels --output_dir runs/mine --workers 4
  atso run --output_dir runs/phantom --compare "[supervised_matched, stso, oracle]" --generations 3
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from atso_monai.cli import settings

HELP = "run ATSO, or continue a run"
add_arguments = settings.add_arguments


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Run, and print the tables."""
    from atso_monai.engine.run import print_run

    print_run(settings.workflow(arguments, rest).engine.run())
