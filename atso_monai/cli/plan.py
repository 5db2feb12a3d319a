"""Show what `atso run` with the same arguments would do: every step, and why it is still to do.

Nothing is trained. Where the run folder holds a run that was made with other settings, these are named and the exit
code is 2. The phantom bundle generates its scans if they are not there yet."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from atso_monai.cli import settings

HELP = "show the steps of a run"
add_arguments = settings.add_arguments


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the plan.

    Raises:
        RunChangedError: after that, when the run folder holds a run with other settings.
    """
    from atso_monai.engine.status import plan_table

    engine = settings.workflow(arguments, rest).engine
    print(plan_table(engine.plan(), engine.run_dir))
    engine.require_same()
