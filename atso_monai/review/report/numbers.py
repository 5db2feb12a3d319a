"""The tables of the report, as cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from scipy import stats

from atso_monai.engine.tables import epochs_of, generation_cells
from atso_monai.errors import AtsoError
from atso_monai.review.common_cases import NAMES as SETS_IN_WORDS
from atso_monai.review.compare import FEWEST, Difference, claim, interval_text
from atso_monai.review.compare_runs import Comparison, arms_of, compare
from atso_monai.review.measures import measured
from atso_monai.review.outcomes import REFERENCE, SETS, TEST, final_scores
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report.looks import NAMES, spread

Comparisons = dict[tuple[str, str], Comparison]
"""Comparisons by set and label."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        words: what is shown.
        sort: what it is sorted by; None sorts by the words.
        kind: CSS class.
        detail: a second line, small.
    """

    words: str
    sort: float | None = None
    kind: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption; ``sortable`` ones get buttons in their head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = False

    @property
    def stacked(self) -> bool:
        """Whether rows hold sentences, which take a line of their own on a narrow screen."""
        return any(cell.kind == "words" for row in self.rows for cell in row)

    @property
    def kinds(self) -> tuple[str, ...]:
        """How each column's name stands: like the numbers below it."""
        first = self.rows[0] if self.rows else tuple(Cell("") for _ in self.head)
        return tuple("num" if cell.kind.startswith("num") else "" for cell in first)


def number(value: float | None, digits: int = 1, factor: float = 100) -> Cell:
    """A number, or a dash that sorts last."""
    return Cell("–", -1e9, "num") if value is None else Cell(f"{factor * value:.{digits}f}", factor * value, "num")


def comparisons(run: ReadRun, metric: str = "dsc") -> Comparisons:
    """Differences of the run's own strategy to the others; none where nothing can be compared."""
    found = {}
    for which in SETS:
        for label in run.score_labels:
            known = [o for o in run.plan.outcomes if measured(final_scores(run, o, which, label, metric))]
            if len(known) < 2 or known[0] is not run.outcome:
                continue
            try:
                arms = arms_of([run], [outcome.strategy for outcome in known])
                found[which, label] = compare(arms, which, label, metric)
            except AtsoError:
                continue
    return found


def headline(run: ReadRun, found: Comparisons) -> list[tuple[str, list[str]]]:
    """What can be said of the main label, by set: the run's own strategy against each other but the oracle."""
    label, said = run.main_label, []
    for which in SETS:
        if (one := found.get((which, label))) is not None:
            claims = [signed(claim(_named(d))) for d in one.differences if d.right != "oracle"]
            said.append((SETS_IN_WORDS[which], claims))
    return [(name[0].upper() + name[1:], claims) for name, claims in said if claims]


def _named(d: Difference) -> Difference:
    return replace(d, left=NAMES.get(d.left, d.left), right=NAMES.get(d.right, d.right))


def outcome_table(run: ReadRun, found: Comparisons) -> Table:
    """What each strategy leaves, per label; differences are the run's own strategy minus the row's."""
    own = NAMES[run.outcome.strategy]
    rows = []
    for outcome in run.plan.outcomes:
        for label in run.main_label_first:
            cells = [Cell(NAMES[outcome.strategy]), Cell(label)]
            epochs = epochs_of(run.plan, outcome.strategy)
            cells.append(Cell(str(epochs), epochs, "num"))
            for which in SETS:
                scores = list(final_scores(run, outcome, which, label).values())
                cells.append(Cell(spread(scores), fmean(scores) if scores else -1, "num"))
                cells.append(difference(found.get((which, label)), outcome.strategy))
            rows.append(tuple(cells))
    n = {
        which: max((len(final_scores(run, o, which, run.main_label)) for o in run.plan.outcomes), default=0)
        for which in SETS
    }
    head = (
        "Strategy", "Label", "Epochs", f"Test DSC, % (n = {n[TEST]})", f"{own} minus this, points",
        f"Pseudo-label DSC, % (n = {n[REFERENCE]})", f"{own} minus this, points",
    )  # fmt: skip
    caption = f"Mean ± standard deviation over cases; differences with 95% intervals over cases, from {FEWEST} cases on"
    return Table(caption, head, tuple(rows), sortable=True)


def difference(found: Comparison | None, strategy: str, scored: int = 0) -> Cell:
    """The run's own strategy minus another, with interval and verdict; a dash where they are not compared.

    Where fewer cases than were ``scored`` have a number in both, their number stands beside the verdict.
    """
    d = next((d for d in found.differences if d.right == strategy), None) if found else None
    if d is None:
        return Cell("–", -1e9, "num")
    between = interval_text(d, 1)
    kind = {"better": "num better", "worse": "num worse"}.get(d.verdict, "num")
    verdict = d.verdict + (f", n = {d.cases}" if d.cases < scored else "")
    return Cell(signed(f"{d.mean:+.1f}{f' ({between})' if between else ''}"), d.mean, kind, verdict)


def signed(words: str) -> str:
    """Words with typographic minus signs before numbers, and n = 8 in one piece."""
    return (
        re.sub(r"(?<![\w–])-(?=\d)", "−", words)
        .replace("n = ", "n\u00a0=\u00a0")
        .replace("p = ", "p\u00a0=\u00a0")
        .replace("p < ", "p\u00a0<\u00a0")
    )


def generation_tables(run: ReadRun) -> list[Table]:
    """The layout of the paper's table 4 for each strategy with generations, per label."""
    tables = []
    for strategy in [o.strategy for o in run.plan.outcomes if o.strategy in ("atso", "stso", "self_learning")]:
        for label in run.main_label_first:
            head, *lines = generation_cells(run.rows, strategy, label)
            kept = [k for k in range(len(head)) if k == 0 or any(line[k] != "-" for line in lines)]
            rows = tuple(tuple(Cell(line[k].replace("-", "–"), None, _kind(head[k])) for k in kept) for line in lines)
            if len(kept) > 1:
                caption = f"{NAMES[strategy]}, {label}: mean Dice in %"
                tables.append(Table(caption, tuple(head[k] for k in kept), rows))
    return tables


def _kind(name: str) -> str:
    """Numbers stand right; what a fold model has not seen is marked."""
    model, _, fold = name.removeprefix("M(").partition(")@")
    return "num unseen" if fold and model == fold else "num" if name != "gen." else ""


def runs_table(runs: Sequence[ReadRun]) -> Table:
    """Mean over cases of each strategy in each run, over runs, and how far the first strategy is from it."""
    label, own = runs[0].main_label, runs[0].outcome.strategy
    strategies = list(dict.fromkeys(o.strategy for run in runs for o in run.plan.outcomes))
    rows = []
    for which in SETS:
        first = [_mean(run, own, which, label) for run in runs]
        for strategy in strategies:
            means = [_mean(run, strategy, which, label) for run in runs]
            if known := [value for value in means if value is not None]:
                cells = [Cell({TEST: "test", REFERENCE: "pseudo labels"}[which]), Cell(NAMES[strategy])]
                cells += [*(number(value) for value in means), Cell(spread(known), fmean(known), "num")]
                rows.append((*cells, _apart(first, means) if strategy != own else Cell("–", -1e9, "num")))
    head = ("Set", "Strategy", *(run.name for run in runs), "over runs", f"{NAMES[own]} minus this, points")
    caption = (
        f"Mean DSC over cases in %, {label}; over runs: mean ± standard deviation; differences: mean over runs "
        "that have both, with its 95% t interval from 3 runs on"
    )
    return Table(caption, head, tuple(rows), sortable=True)


def _apart(left: Sequence[float | None], right: Sequence[float | None]) -> Cell:
    """Paired difference over runs, in points."""
    known = [100 * (a - b) for a, b in zip(left, right, strict=True) if a is not None and b is not None]
    if len(known) < 3 or len(set(known)) == 1:
        return Cell(signed(f"{fmean(known):+.1f}"), fmean(known), "num") if known else Cell("–", -1e9, "num")
    low, high = stats.t.interval(0.95, len(known) - 1, loc=fmean(known), scale=stats.sem(known))
    kind = "num better" if low > 0 else "num worse" if high < 0 else "num"
    return Cell(signed(f"{fmean(known):+.1f} ({low:+.1f} to {high:+.1f})"), fmean(known), kind)


def _mean(run: ReadRun, strategy: str, which: str, label: str) -> float | None:
    outcome = next((o for o in run.plan.outcomes if o.strategy == strategy), None)
    scores = final_scores(run, outcome, which, label) if outcome else {}
    return fmean(scores.values()) if scores else None
