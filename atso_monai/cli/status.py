"""Show how far a run is, from its folder alone; the run goes on meanwhile.

With --verify, compare all that is finished with the hashes in its records: files, what each step was made from, the
cohort, the bundle. The exit code is 1 when something does not hold.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from atso_monai.errors import VerifyError

HELP = "show how far a run is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run folder."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--verify", action="store_true", help="compare all that is finished with its hashes")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Print the table of steps, or what a verification found.

    Raises:
        VerifyError: when something does not hold.
    """
    from atso_monai.engine.reporter import checking
    from atso_monai.engine.status import recorded_plan, status_table
    from atso_monai.engine.verify import verify

    plan = recorded_plan(arguments.run)
    if not arguments.verify:
        print(status_table(plan, arguments.run))
        return
    verdict = verify(plan, arguments.run, checking())
    print(verdict.text)
    if verdict.problems:
        raise VerifyError(f"{len(verdict.problems)} steps of {arguments.run} are not as they were written.")
