"""What a finished run left, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atso_monai.engine import tables
from atso_monai.engine.plan import Plan
from atso_monai.volume_file import read_volume


@dataclass(frozen=True)
class Run:
    """What a finished run left.

    Attributes:
        run_dir: the run folder.
        plan: its plan.
        rows: the rows of ``metrics.csv``.
        tables: the numbers as text.
        bundle: the delivered bundle.
        pseudo_labels: folder with the final pseudo label of each reference case.
    """

    run_dir: Path
    plan: Plan
    rows: Sequence[tables.Row]
    tables: str
    bundle: Path
    pseudo_labels: Path


def print_run(run: Run) -> None:
    """What a person reads at the end of a run."""
    print(f"\n{run.tables}\n")
    print(f"numbers        {run.run_dir / 'metrics.csv'}")
    print(f"pseudo labels  {run.pseudo_labels}{empty_warning(sorted(run.pseudo_labels.iterdir()))}")
    print(f"bundle         {run.bundle}")
    print(f"predict with   atso predict '{run.bundle}' IMAGES --to FOLDER")


def empty_warning(files: Sequence[Path]) -> str:
    """A warning on a line of its own where labels hold class 0 alone, which is the background of scans."""
    empty = [file.name for file in files if not read_volume(file)[0].any()]
    if not empty:
        return ""
    return (
        f"\n               WARNING: {len(empty)} of {len(files)} hold class 0 alone, first {empty[0]}. "
        "Often the training was too short (--epochs)."
    )
