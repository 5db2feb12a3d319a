"""Run ATSO and its controls on generated abdominal CTs, in a few minutes on two cores. Needs no data.

Every id of the bundle's configs/atso.yaml can be set as --id value, e.g. --generations 1."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atso_monai.engine import Run

HELP = "ATSO end to end on generated scans"
DEFAULT = Path("runs") / "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the demo goes; every id of the bundle's atso.yaml can be set as --id value besides."""
    parser.add_argument("--output_dir", "--output-dir", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Run the embedded bundle with its demo overlay, and draw one case."""
    from atso_monai.cli import settings
    from atso_monai.engine.run import print_run

    run = settings.workflow(demo_arguments(), ["--output_dir", str(arguments.output_dir), *rest]).engine.run()
    print_run(run)
    print(f"picture        {picture(run)}")


def demo_arguments() -> argparse.Namespace:
    """What `atso run` would be given."""
    from atso_monai.cli import settings

    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    return parser.parse_args(["--overlay", "demo"])


def picture(run: Run) -> Path:
    """Draw the first test case: truth against the model of S alone, and against that of the run."""
    from atso_monai.cohort import Cohort
    from atso_monai.review.overlay import draw_overlay

    case = Cohort.load(run.run_dir / "cohort.json").test[0]
    assert case.label is not None
    last = run.plan.outcomes[0]
    made = {"supervised": "g0", last.strategy: "final" if last.generation == "final" else f"g{last.generation}"}
    files = {title: run.run_dir / "predictions" / step / f"{case.id}.nii.gz" for title, step in made.items()}
    rows = [(title, file) for title, file in files.items() if file.is_file()]
    to = run.run_dir / "overlay.png"
    draw_overlay(case.image, case.label, rows, to, window=(-160, 240))
    return to
