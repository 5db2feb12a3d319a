"""How near a run comes to the shortest time that its plan allows, on 1, 2, 8 and 64 workers; and what planning costs.

    python benchmarks/scaling.py [--factor 0.3]

The bound is max(critical path, work / workers): no order of steps is faster. Step times are those of an NIH run in
units of one epoch, each drawn within 20% (a training by its epochs, a prediction by its cases, in shards), which the
engine does not know beforehand: it ranks by epochs. The first column is a simulation of the runner's policy; the second
a real walk of the runner over steps that sleep for their time times `--factor` seconds and write small files, with all
that the engine itself does in between: keys, folders, records, hashes.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atso_monai.engine import Plan, Scheme, Step, build_plan
from atso_monai.engine.orders import Draft
from atso_monai.engine.plan import pending
from atso_monai.engine.record import Result, hash_files, write_result
from atso_monai.engine.runner import walk
from atso_monai.engine.schedule import Room, critical_path, makespan
from atso_monai.engine.shards import shard_count
from atso_monai.engine.worker import Order
from atso_monai.files import hash_json, write_text

WORKERS = (1, 2, 8, 64)
PER_CASE = 0.02
"""A prediction of a case, in epochs of a training."""


class Silent:
    """A listener that does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class Times:
    """Step times of a plan over folds of some cases, and the shards of its predictions."""

    def __init__(self, plan: Plan, cases: int) -> None:
        draw = random.Random(0)
        self._cases = cases
        self._factors = {step.makes: draw.uniform(0.8, 1.2) for step in plan.steps}

    def pieces(self, step: Step) -> int:
        """Shards of a step."""
        return shard_count(self._cases * len(step.cases))

    def seconds(self, step: Step) -> float:
        """Time of a step, in epochs."""
        own = {"train": step.epochs, "predict": PER_CASE * self._cases * len(step.cases), "score": 0.01}[step.kind]
        return own * self._factors[step.makes]


def walked(plan: Plan, times: Times, workers: int, factor: float) -> float:
    """Wall seconds of a real walk, in units of `factor`."""
    steps = {step.makes: step for step in plan.steps}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:

        def order(makes: str, key: str) -> Draft:
            return Draft(Order(makes, "predict", f"{folder}/{makes}", key, (), 1), {}, [])

        def draft(step: Step, digests: Mapping[str, str]) -> Draft:
            key = hash_json([step.makes, dict(digests)])
            whole, count = order(step.makes, key), times.pieces(step)
            shards = [order(f"{step.makes}/shards/{n}", f"{key}{n}") for n in range(count if count > 1 else 0)]
            return Draft(whole.order, {}, [], tuple(shards))

        def execute(one: Order, **_: Any) -> dict[str, Any]:
            step = steps[one.makes.split("/shards/")[0]]
            time.sleep(factor * times.seconds(step) / times.pieces(step))
            return asdict(declared(Draft(one, {}, [])))

        def declared(one: Draft) -> Result:
            place = Path(one.order.folder)
            write_text(place / "made.txt", one.order.makes)
            result = Result(one.order.makes, one.order.key, hash_files(place, "*.txt"), 0.0)
            write_result(place, result)
            return result

        def write(one: Draft) -> str:
            Path(one.order.folder).mkdir(parents=True)
            return ""

        began = time.perf_counter()
        walk(
            plan,
            pool,
            draft=draft,
            write=write,
            execute=execute,
            gather=declared,
            listener=Silent(),
            room=Room(workers),
        )
        return (time.perf_counter() - began) / factor


def efficiency(name: str, plan: Plan, cases: int, factor: float) -> None:
    times = Times(plan, cases)
    work, path = sum(map(times.seconds, plan.steps)), critical_path(plan, times.seconds, times.pieces)
    print(f"\n{name}: {len(plan.steps)} steps, {work:.0f} epochs of work, critical path {path:.0f}")
    print("workers   bound   simulated   share of bound   walked   share of bound")
    for workers in WORKERS:
        bound = max(path, work / workers)
        simulated = makespan(plan, times.seconds, workers, times.pieces)
        line = f"{workers:7d} {bound:7.0f} {simulated:11.0f} {bound / simulated:16.1%}"
        if factor:
            real = walked(plan, times, workers, factor)
            line += f" {real:8.0f} {bound / real:16.1%}"
        print(line)


def timed(name: str, call: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = call()
    print(f"{name:<50} {time.perf_counter() - began:6.2f} s")
    return result


def planning() -> None:
    print("\nplanning 50 generations over 5,000 cases in 5 folds")
    plan = timed("build_plan", lambda: paper_plan(50, 5, ("stso", "oracle")))
    print(f"  ({len(plan.steps)} steps)")
    timed("pending", lambda: pending(plan.steps, set()))
    times = Times(plan, 1000)
    timed("every hand-out of the whole plan, 64 workers", lambda: makespan(plan, times.seconds, 64, times.pieces))


def paper_plan(generations: int, folds: int, compare: tuple[str, ...] = ()) -> Plan:
    """ATSO in three views, from a snapshot, with the epochs of the NIH bundle."""
    return build_plan(
        Scheme(
            strategy="atso", compare=compare, views=("sagittal", "coronal", "axial"), start="snapshot",
            generations=generations, folds=folds, first_epochs=16, later_epochs=8,
        )
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factor", type=float, default=0.3, help="seconds of an epoch in the real walk; 0: none")
    factor = parser.parse_args().factor
    compare = ("supervised_matched", "self_learning", "stso", "oracle")
    efficiency("NIH, 5 generations, 2 folds", paper_plan(5, 2), 28, factor)
    efficiency("the same beside four strategies", paper_plan(5, 2, compare), 28, 0)
    efficiency("3 generations, 20 folds of 250 cases", paper_plan(3, 20), 250, 0)
    planning()


if __name__ == "__main__":
    main()
