"""All strategies side by side on several splits: tables and paired differences.

    python benchmarks/strategies.py --bundle msd_hippocampus --overlay regime_a --dataset_dir Task04_Hippocampus
    python benchmarks/strategies.py --bundle msd_hippocampus --dataset_dir Task04_Hippocampus --seeds 3
    python benchmarks/strategies.py --bundle phantom_pancreas --seeds 3 --shift true
    python benchmarks/strategies.py --bundle camvid --overlay imagenet --dataset_dir CamVid --seeds 3 \\
        --further stso_5_target atso_5_to_11

One seed draws the roles, the folds and every training's data order. Further `--id value` arguments are ids of the
bundle's atso.yaml. A benchmark that was stopped continues; finished runs are read, not made again.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from scipy import stats

from atso_monai.cli.main import main as atso
from atso_monai.engine.plan import Outcome
from atso_monai.engine.status import recorded_plan
from atso_monai.engine.tables import TITLES, Row, align, main_label, outcome_values, select, truth_metric

STRATEGIES = ("supervised", "supervised_matched", "self_learning", "stso", "atso", "oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="phantom_pancreas")
    parser.add_argument("--overlay", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    parser.add_argument("--further", nargs="+", default=[], help="variants of the bundle's atso.yaml")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/benchmark"))
    arguments, rest = parser.parse_known_args()
    runs = [_run(arguments, rest, seed) for seed in range(arguments.seeds)]
    parts = [_outcomes(runs), *_labels(runs), _differences(runs, arguments.generations)]
    print("\n" + "\n\n".join(parts))


@dataclass(frozen=True)
class Measured:
    """What one seed's run gave: its rows, and what each strategy left."""

    rows: list[Row]
    outcomes: dict[str, Outcome]

    def final(self, strategy: str, what: str, label: str = "") -> float | None:
        """Metric of a strategy's final model on the test set, or of its pseudo labels, in %, if there is one."""
        if strategy not in self.outcomes:
            return None
        pair = outcome_values(self.rows, self.outcomes[strategy], label or main_label(self.rows))
        values = pair[what == "labels"]
        return 100 * fmean(values) if values else None

    def at(self, strategy: str, generation: str, fold: str = "", **wanted: str) -> float | None:
        """Metric of one generation's models or labels, in %."""
        own = [r for r in self.rows if r["strategy"] == strategy and r["label"] == main_label(self.rows)]
        values = select(own, fold=fold, generation=generation, metric=truth_metric(self.rows), **wanted)
        return 100 * fmean(values) if values else None


def _run(arguments: argparse.Namespace, rest: list[str], seed: int) -> Measured:
    folder = arguments.output_dir / f"seed{seed}"
    first, *others = sorted([*arguments.strategies, *arguments.further], key=lambda name: name != "atso")
    words = ["run", "--bundle", arguments.bundle, *(f"--overlay={name}" for name in arguments.overlay)]
    words += ["--output_dir", str(folder), "--seed", str(seed), "--generations", str(arguments.generations)]
    code = atso([*words, "--strategy", first, "--compare", f"[{', '.join(others)}]", *rest])
    if code:
        sys.exit(code)
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Measured(rows, {outcome.strategy: outcome for outcome in recorded_plan(folder).outcomes})


def _names(runs: list[Measured]) -> list[str]:
    return sorted(runs[0].outcomes, key=lambda name: STRATEGIES.index(name) if name in STRATEGIES else len(STRATEGIES))


def _outcomes(runs: list[Measured]) -> str:
    metric = TITLES[truth_metric(runs[0].rows)]
    lines = [["strategy", *(f"seed {n}" for n in range(len(runs))), f"test {metric}", f"pseudo-label {metric}"]]
    for strategy in _names(runs):
        test, labels = ([run.final(strategy, what) for run in runs] for what in ("test", "labels"))
        lines.append([strategy, *(f"{v:.1f}" if v is not None else "-" for v in test), _spread(test), _spread(labels)])
    return f"Final model on the test set per seed, {metric} in %; mean ± standard deviation over seeds\n" + align(lines)


def _labels(runs: list[Measured]) -> list[str]:
    """Where whole sets were measured: each label on the test set, mean over seeds."""
    if truth_metric(runs[0].rows) != "iou":
        return []
    parts = []
    for reduced in (False, True):
        names = [name for name in _names(runs) if runs[0].outcomes[name].reduced == reduced]
        known = sorted(dict.fromkeys(row["label"] for run in runs for row in run.rows), key=lambda k: k == "mean")
        cells = {(n, k): [run.final(n, "test", k) for run in runs] for n in names for k in known}
        labels = [k for k in known if any(v is not None for n in names for v in cells[n, k])]
        lines = [["strategy", *labels], *([n, *(_spread(cells[n, k]).split(" ")[0] for k in labels)] for n in names)]
        parts += [f"IoU in % of each label on the test set, mean over seeds\n{align(lines)}"] if names else []
    return parts


def _differences(runs: list[Measured], generations: int) -> str:
    """Paired differences with 95% t-intervals over seeds."""
    pairs = [("atso", "stso"), ("atso", "self_learning"), ("stso", "self_learning")]
    pairs += [(name, "supervised_matched") for name in ("atso", "stso", "self_learning")]
    pairs += [("atso", "supervised"), ("oracle", "atso")]
    further = [name for name in _names(runs) if name not in STRATEGIES and not runs[0].outcomes[name].reduced]
    pairs += [(name, other) for name in further for other in ("supervised", "atso")]
    metric = TITLES[truth_metric(runs[0].rows)]
    lines = [[f"paired difference, {metric} points", *(f"seed {n}" for n in range(len(runs))), "mean", "95% interval"]]
    for what in ("test", "labels"):
        for left, right in pairs:
            values = [_minus(run.final(left, what), run.final(right, what)) for run in runs]
            if any(value is not None for value in values):
                lines.append(_difference(f"{what}: {left} - {right}", values))
    for t in map(str, range(1, generations + 1) if "atso" in runs[0].outcomes else ()):
        lines.append(_difference(f"reference, generation {t}: not trained on - trained on", [_gap(r, t) for r in runs]))
        values = [_minus(r.at("atso", t, model="labels"), r.at("stso", t, model="labels")) for r in runs]
        lines.append(_difference(f"labels, generation {t}: atso - stso", values))
    return align(lines)


def _gap(run: Measured, generation: str) -> float | None:
    """ATSO's fold models on the reference cases: metric where they did not train, less where they did."""
    own = [r for r in run.rows if r["strategy"] == "atso" and r["generation"] == generation and r["fold"]]
    folds = sorted({r["fold"] for r in own})
    scores = {(m, f): run.at("atso", generation, fold=f, set="reference", model=m) for m in folds for f in folds}
    unseen = [v for (m, f), v in scores.items() if m == f and v is not None]
    seen = [v for (m, f), v in scores.items() if m != f and v is not None]
    return fmean(unseen) - fmean(seen) if unseen and seen else None


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def _difference(name: str, values: list[float | None]) -> list[str]:
    known = [v for v in values if v is not None]
    cells = [f"{v:+.2f}" if v is not None else "-" for v in values]
    if len(known) < 2:
        return [name, *cells, f"{known[0]:+.2f}" if known else "-", "-"]
    low, high = stats.t.interval(0.95, len(known) - 1, loc=fmean(known), scale=stats.sem(known))
    return [name, *cells, f"{fmean(known):+.2f}", f"{low:+.2f} to {high:+.2f}"]


def _spread(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    return f"{fmean(known):.1f} ± {stdev(known):.1f}" if len(known) > 1 else f"{known[0]:.1f}"


if __name__ == "__main__":
    main()
