"""Write a batch script for Slurm that continues a run, job after job, until it is done (docs/slurm.md).

What follows `--` are the arguments of `atso run`; they are checked first, and nothing is trained. For example:

  atso slurm --time 24:00:00 --gpus 2 --cpus 16 --mem 64G -- \\
      --bundle nih_pancreas --dataset_dir NIH --output_dir runs/nih --workers 2 --devices "[cuda:0, cuda:1]"
  sbatch atso-nih.sh
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atso_monai.cli import settings

if TYPE_CHECKING:
    from atso_monai.engine import Engine

HELP = "write a batch script for Slurm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What each job asks of Slurm; the arguments of the run come after ``--``."""
    parser.add_argument("--to", type=Path, metavar="FILE", help="the script; default: atso-NAME.sh")
    parser.add_argument("--name", help="name of the job; default: that of the run folder")
    parser.add_argument("--time", default="24:00:00", help="limit of each single job; default: 24:00:00")
    parser.add_argument("--gpus", help="such as 1, a100:2, or 0 for none; default: as many as the run uses")
    parser.add_argument("--cpus", type=int, default=8, help="CPU cores; default: 8")
    parser.add_argument("--mem", default="32G", help="memory of the job; default: 32G")
    parser.add_argument("--partition", default="", help="default: the cluster's own choice")
    parser.add_argument("--account", default="", help="default: the cluster's own choice")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Check the arguments of the run, and write the script."""
    from atso_monai.engine.slurm import Resources, batch_script, gpus_for
    from atso_monai.files import write_text
    from atso_monai.review.own_file import require_free

    engine = _checked_engine(rest)
    run_dir = engine.run_dir
    name = arguments.name or re.sub(r"[^A-Za-z0-9_.-]+", "-", run_dir.name).strip("-.") or "run"
    asked = {option: getattr(arguments, option) for option in ("time", "cpus", "mem", "partition", "account")}
    resources = Resources(name, **asked, gpus=gpus_for(engine.execution, arguments.gpus))
    to = arguments.to or Path(f"atso-{name}.sh")
    require_free(to)
    path = os.environ.get("PYTHONPATH")
    command = [sys.executable, "-m", "atso_monai.cli.main", "run", *rest]
    environment = {"PYTHONPATH": path} if path else {}
    write_text(to, batch_script(resources, command, run_dir, Path.cwd(), environment))
    print(f"submit with   sbatch {shlex.quote(str(to))}")


def _checked_engine(words: Sequence[str]) -> Engine:
    """The engine of the arguments of `atso run`, after all checks of `atso plan`."""
    parser = argparse.ArgumentParser(prog="atso slurm [options] --", allow_abbrev=False)
    settings.add_arguments(parser)
    arguments, rest = parser.parse_known_args(words)
    engine = settings.workflow(arguments, rest).engine
    engine.plan()
    return engine
