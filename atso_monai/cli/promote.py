"""Turn corrected reference cases into labelled ones, in a new cohort; nothing that is there is changed.

The labels are files named after the cases: NIfTI, MHA or NRRD in class indices (as in pseudo_labels/), or .seg.nrrd of
3D Slicer with a segment per class. The command that starts the next run from the new cohort is printed. For example:

  atso promote runs/mine --labels corrected --by "A. Reader" --to runs/mine-round2"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "turn corrected cases into labelled ones, in a new cohort"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Run, corrected labels, who made them, where the cohort goes."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--labels", type=Path, required=True, metavar="DIR", help="folder of corrected labels")
    parser.add_argument("--by", required=True, metavar="NAME", help="who made the corrections, for the audit")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder for the cohort")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Write the cohort, and say how to go on."""
    from atso_monai.review.next_run import command_note, next_command
    from atso_monai.review.promote import promote
    from atso_monai.review.read_run import read_run

    run = read_run(arguments.run)
    done = promote(run, arguments.labels, arguments.to.absolute(), arguments.by)
    for name, dice in done.cases.items():
        print(f"{name}  {'' if dice is None else f'Dice with its pseudo label {100 * dice:.1f}%'}")
    for note in filter(None, (*done.notes, command_note(run))):
        print(f"Note: {note}")
    counts = f"{len(done.cohort.labelled)} labelled, {len(done.cohort.reference)} reference cases"
    print(f"\ncohort  {done.cohort_file} ({counts}, fingerprint {done.cohort.fingerprint})")
    print(f"next    {next_command(run, done.cohort_file)}")
