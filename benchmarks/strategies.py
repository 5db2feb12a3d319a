"""All strategies side by side on several splits: tables and paired differences.

    python benchmarks/strategies.py --bundle msd_hippocampus --overlay regime_a --dataset_dir Task04_Hippocampus
    python benchmarks/strategies.py --bundle msd_hippocampus --dataset_dir Task04_Hippocampus --seeds 3
    python benchmarks/strategies.py --bundle phantom_pancreas --seeds 3 --shift true

One seed draws the roles, the folds and every training's data order. Further `--id value` arguments are ids of the
bundle's atso.yaml. A benchmark that was stopped continues; finished runs are read, not made again.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from statistics import fmean, stdev

from scipy import stats

from atso_monai.cli.main import main as atso
from atso_monai.engine.tables import Row, align, main_label, select

STRATEGIES = ("supervised", "supervised_matched", "self_learning", "stso", "atso", "oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="phantom_pancreas")
    parser.add_argument("--overlay", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/benchmark"))
    arguments, rest = parser.parse_known_args()
    runs = [_run(arguments, rest, seed) for seed in range(arguments.seeds)]
    print(f"\n{_outcomes(runs, arguments.generations)}\n\n{_differences(runs, arguments.generations)}")


def _run(arguments: argparse.Namespace, rest: list[str], seed: int) -> list[Row]:
    """The rows of one seed's run."""
    folder = arguments.output_dir / f"seed{seed}"
    first, *others = sorted(arguments.strategies, key=lambda name: name != "atso")
    words = ["run", "--bundle", arguments.bundle, *(f"--overlay={name}" for name in arguments.overlay)]
    words += ["--output_dir", str(folder), "--seed", str(seed), "--generations", str(arguments.generations)]
    code = atso([*words, "--strategy", first, "--compare", f"[{', '.join(others)}]", *rest])
    if code:
        sys.exit(code)
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    label = main_label(rows)
    return [row for row in rows if row["label"] == label]


def _last(strategy: str, generations: int) -> str:
    return {"supervised": "0", "stso": str(generations), "self_learning": str(generations)}.get(strategy, "final")


def _mean(rows: list[Row], strategy: str, generation: str, **wanted: str) -> float | None:
    """Mean DSC over cases, in %; generation 0 is the same for all strategies."""
    own = [r for r in rows if generation == "0" or r["strategy"] == strategy]
    values = select(own, generation=generation, metric="dsc", **wanted)
    return 100 * fmean(values) if values else None


def _final(rows: list[Row], strategy: str, generations: int, what: str) -> float | None:
    generation = _last(strategy, generations)
    if what == "labels":
        return _mean(rows, strategy, generation, model="labels")
    return _mean(rows, strategy, generation, set="test", model="final" if generation == "final" else "all")


def _outcomes(runs: list[list[Row]], generations: int) -> str:
    lines = [["strategy", *(f"seed {n}" for n in range(len(runs))), "test DSC", "pseudo-label DSC"]]
    for strategy in STRATEGIES:
        if all(_final(rows, strategy, generations, "test") is None for rows in runs):
            continue
        test = [_final(rows, strategy, generations, "test") for rows in runs]
        labels = [_final(rows, strategy, generations, "labels") for rows in runs]
        lines.append([strategy, *(f"{v:.1f}" if v is not None else "-" for v in test), _spread(test), _spread(labels)])
    return "Final model on the test set per seed, DSC in %; mean ± standard deviation over seeds\n" + align(lines)


def _differences(runs: list[list[Row]], generations: int) -> str:
    """Paired differences with 95% t-intervals over seeds."""
    pairs = [("atso", "stso"), ("atso", "self_learning"), ("stso", "self_learning")]
    pairs += [(name, "supervised_matched") for name in ("atso", "stso", "self_learning")]
    pairs += [("atso", "supervised"), ("oracle", "atso")]
    lines = [["paired difference, DSC points", *(f"seed {n}" for n in range(len(runs))), "mean", "95% interval"]]
    for what in ("test", "labels"):
        for left, right in pairs:
            values = [_minus(_final(r, left, generations, what), _final(r, right, generations, what)) for r in runs]
            if all(value is None for value in values):
                continue
            lines.append(_difference(f"{what}: {left} - {right}", values))
    for t in range(1, generations + 1) if any(r["strategy"] == "atso" for rows in runs for r in rows) else ():
        lines.append(_difference(f"reference, generation {t}: not trained on - trained on", [_gap(r, t) for r in runs]))
        values = [
            _minus(_mean(r, "atso", str(t), model="labels"), _mean(r, "stso", str(t), model="labels")) for r in runs
        ]
        lines.append(_difference(f"labels, generation {t}: atso - stso", values))
    return align(lines)


def _gap(rows: list[Row], generation: int) -> float | None:
    """ATSO's fold models on the reference cases: mean DSC where they did not train, less where they did."""
    own = [
        r
        for r in rows
        if r["strategy"] == "atso" and r["generation"] == str(generation) and r["metric"] == "dsc" and r["fold"]
    ]
    unseen = [float(r["value"]) for r in own if r["model"] == r["fold"]]
    seen = [float(r["value"]) for r in own if r["model"] not in (r["fold"], "labels", "full")]
    return 100 * (fmean(unseen) - fmean(seen)) if unseen and seen else None


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
