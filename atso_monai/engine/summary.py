"""What is printed at the end of a run: all of its tables."""

from __future__ import annotations

from collections.abc import Sequence

from atso_monai.engine.distance_table import distance_table
from atso_monai.engine.plan import Plan
from atso_monai.engine.tables import Row, generation_table, label_table, main_label, outcome_table, truth_metric


def summary(plan: Plan, rows: Sequence[Row]) -> str:
    """All tables of a run as text; without any known truth, just that."""
    if not truth_metric(rows):
        return "No truth is known for test or reference cases, so there is no DSC to show.\n" + "\n".join(
            generation_table(rows, o.strategy, o.first) for o in plan.outcomes if o.kind == "atso" and rows
        )
    parts = [outcome_table(plan, rows)]
    if main_label(rows) in ("foreground", "mean"):  # there are several labels
        parts.append(label_table(plan, rows))
    parts += [table] if (table := distance_table(plan, rows)) else []
    named = [o for o in plan.outcomes if o.kind in ("atso", "stso", "self_learning")]
    parts += [generation_table(rows, o.strategy, o.first) for o in named]
    return "\n\n".join(parts)
