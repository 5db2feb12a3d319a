"""How well the review queue ranks pseudo labels by their true DSC: Spearman's correlation with its interval.

    python benchmarks/strategies.py --bundle msd_hippocampus --overlay regime_a --dataset_dir Task04_Hippocampus
    python benchmarks/agreement.py runs/benchmark/seed*

The runs must know the truth of their reference cases; the queue itself never reads it. Positive is better in every
column: agreement of the fold models, Dice with the labels of the generation before, and minus the score and its parts.
"found" is the share of the worst quarter of the labels that is in the first quarter of the queue (chance: 25%).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from math import ceil, isnan
from pathlib import Path
from statistics import fmean

from scipy import stats

from atso_monai.engine.tables import align
from atso_monai.errors import AtsoError
from atso_monai.review.compare import rank_correlation
from atso_monai.review.outcomes import REFERENCE, Scores, final_scores
from atso_monai.review.queue import PARTS, Suspect, review_queue
from atso_monai.review.read_run import ReadRun, read_run

Measured = dict[str, tuple[float, float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    names = parser.parse_args().runs
    runs = [read_run(name) for name in names]
    head = ["Spearman with the true DSC", "n", "score", "agreement", "change", *PARTS[2:], "found"]
    lines, all_found = [head], []
    for run in runs:
        queue, truth = review_queue(run), _truth(run)
        if not truth:
            raise AtsoError(f"{run.run_dir} has no DSC of its final pseudo labels: no truth, or not finished.")
        found = measure(queue, truth)
        share = worst_found(queue, truth)
        all_found.append((found, share))
        lines.append([str(run.run_dir), str(len(truth)), *(_cell(found[k]) for k in _columns()), f"{100 * share:.0f}%"])
    if len(runs) > 1:
        lines.append(_over_runs(all_found))
    print(align(lines))


def _columns() -> tuple[str, ...]:
    return ("score", "agreement", "change", *PARTS[2:])


def _truth(run: ReadRun) -> Scores:
    return final_scores(run, run.outcome, REFERENCE, run.main_label)


def measure(queue: Sequence[Suspect], truth: Mapping[str, float]) -> Measured:
    """Rank correlation of each sign with the true DSC, with its 95% interval over cases."""
    known = [s for s in queue if s.case in truth]
    dsc = [truth[s.case] for s in known]
    signs: dict[str, list[float | None]] = {
        "score": [-s.score for s in known],
        "agreement": [s.agreement for s in known],
        "change": [s.change for s in known],
        **{part: [-s.points[part] for s in known] for part in PARTS[2:]},
    }
    return {
        name: rank_correlation([float(v) for v in values if v is not None], dsc)
        if all(v is not None for v in values)
        else (float("nan"),) * 3
        for name, values in signs.items()
    }


def worst_found(queue: Sequence[Suspect], truth: Mapping[str, float]) -> float:
    """Share of the worst quarter of the labels that the first quarter of the queue holds."""
    order = [s.case for s in queue if s.case in truth]
    quarter = ceil(len(order) / 4)
    worst = set(sorted(order, key=lambda case: truth[case])[:quarter])
    return len(worst & set(order[:quarter])) / quarter


def _cell(measured: tuple[float, float, float]) -> str:
    rho, low, high = measured
    return "-" if isnan(rho) else f"{rho:.2f} ({low:.2f} to {high:.2f})"


def _over_runs(found: Sequence[tuple[Measured, float]]) -> list[str]:
    """Mean over runs with its 95% t interval over runs."""
    cells = []
    for name in _columns():
        values = [measured[name][0] for measured, _ in found if not isnan(measured[name][0])]
        if len(values) < 3 or len(set(values)) == 1:
            cells.append(f"{fmean(values):.2f}" if values else "-")
            continue
        low, high = stats.t.interval(0.95, len(values) - 1, loc=fmean(values), scale=stats.sem(values))
        cells.append(f"{fmean(values):.2f} ({low:.2f} to {high:.2f})")
    return ["mean over runs", "", *cells, f"{100 * fmean(share for _, share in found):.0f}%"]


if __name__ == "__main__":
    main()
