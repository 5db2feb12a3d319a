"""What a run says of itself before it begins."""

from __future__ import annotations

from atso_monai.cohort import Cohort
from atso_monai.engine.configuration import Bundles
from atso_monai.engine.plan import Plan
from atso_monai.engine.workplace import Workplace


def greeting(plan: Plan, place: Workplace, cohort: Cohort, bundles: Bundles) -> str:
    """What is run, on which cases, into which folder, and what a person should know of it."""
    counts = f"{len(cohort.labelled)} labelled, {len(cohort.reference)} reference, {len(cohort.test)} test cases"
    ranks = place.ranks
    several = f"each training in {ranks} processes: {ranks} batches a step, {ranks} times fewer steps an epoch"
    lines = [
        f"{', '.join(o.strategy for o in plan.outcomes)}: {len(plan.steps)} steps with bundle {bundles.train}",
        f"cohort {cohort.name!r} ({cohort.fingerprint}): {counts}, {len(cohort.folds)} folds",
        f"into {place.run_dir}",
        *([several] if ranks > 1 else []),
        *bundles.notes,
    ]
    return "\n".join(lines)
