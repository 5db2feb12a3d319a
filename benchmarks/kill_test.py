"""Kill a small ATSO run at random moments, continue it each time, and compare what it leaves with an undisturbed run.

    python benchmarks/kill_test.py [--kills 25] [--seed 0] [--folder DIR]

Each start is the command `atso run`, in a process forked from this one, since importing torch and MONAI would take most
of the time. Killed with SIGKILL are, in turn: the engine; a worker; the engine while a file is half written; the engine
when a checkpoint is new; all at once, as a power cut does. A run that ends before all kills are spent is compared and
followed by another one. Prints a row for each kill; exit code 1 when anything differs. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from _forked_run import Started, until_alone

from atso_monai.engine.record import why_not_done
from atso_monai.files import hash_file
from atso_monai.handlers.loss_curve import FILE as LOSSES  # a curve to look at, which a kill may cost its end

WAYS = ("engine", "worker", "writing", "checkpoint", "all")
LONGEST = 240.0
"""Seconds after which a start that neither ends nor does anything has failed."""
SETTINGS = {
    "shape": "[48, 48, 24]", "labelled": "2", "reference": "4", "test": "2", "generations": "1", "epochs": "3",
    "views": "[axial, coronal]", "workers": "2", "checkpoint": "{iterations: 5}",
    "overrides": "{train: {epoch_length: 40, batch_size: 16, learning_rate: 0.01}}",
}  # fmt: skip


Start = Callable[[Path, str], Started]
"""Starts or continues the run in a folder with an executor, ``local`` or ``inline``."""


@dataclass
class Torment:
    """A run that is killed again and again.

    Args:
        start: starts the run.
        ways: how to kill, in turn.
        patience: most seconds from a sign of work to the kill.
        seed: of moments and victims.
    """

    start: Start
    ways: tuple[str, ...] = WAYS
    patience: float = 4.0
    seed: int = 0
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def kill(self, run_dir: Path, number: int) -> bool:
        """Start and kill once; False when the run came to its end before the kill."""
        way = self.ways[number % len(self.ways)]
        executor = "local" if way in ("worker", "all") or self.random.random() < 0.5 else "inline"
        began, process = time.monotonic(), self.start(run_dir, executor)
        before = newest(run_dir)
        while process.poll() is None and newest(run_dir) == before and time.monotonic() - began < LONGEST:
            time.sleep(0.05)
        victim = self._victim(process, run_dir, way, self.random.uniform(0, self.patience))
        moment = time.monotonic() - began
        hit = self._shoot(process, victim)
        code = ended(process)
        until_alone(process)
        done, inside = standing(run_dir)
        self.rows.append((str(number + 1), way, executor, f"{moment:.1f}", str(done), inside, hit or f"exit {code}"))
        return bool(hit)

    def _victim(self, process: Started, run_dir: Path, way: str, delay: float) -> list[int]:
        """Wait for the moment, and choose who is killed."""
        until, stamp = time.monotonic() + delay, newest(run_dir, "checkpoint.json")
        if way in ("writing", "checkpoint"):
            sign = {
                "writing": lambda: half_written(run_dir),
                "checkpoint": lambda: newest(run_dir, "checkpoint.json") > stamp,
            }
            while process.poll() is None and not sign[way]() and time.monotonic() < until + 5 * self.patience:
                time.sleep(0.001)
            return [process.pid]
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        if way == "worker":
            return [self.random.choice(found)] if (found := process.workers()) else [process.pid]
        return [process.pid] if way == "engine" else [process.pid, *process.workers()]

    @staticmethod
    def _shoot(process: Started, victims: list[int]) -> str:
        if process.poll() is not None:
            return ""
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return "killed"


def ended(process: Started) -> int:
    """Wait for the end of a start: killed itself, or, when a worker was killed, with an error of its own."""
    until = time.monotonic() + LONGEST
    while (code := process.poll()) is None:
        if time.monotonic() > until:
            raise SystemExit("a run whose worker was killed does not end")
        time.sleep(0.05)
    return code


def newest(run_dir: Path, pattern: str = "progress.json") -> float:
    """When a step of the run last wrote a file of some name."""
    times = [0.0]
    for file in run_dir.rglob(pattern):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def half_written(run_dir: Path) -> bool:
    """Whether any file of the run is being written at this moment."""
    folders = [run_dir, *run_dir.glob("model/**/"), *run_dir.glob("labels/*/*/"), *run_dir.glob("cache/volumes/*/")]
    return any(name.startswith(".tmp-") for folder in folders if folder.is_dir() for name in os.listdir(folder))


def standing(run_dir: Path) -> tuple[int, str]:
    """Number of steps done, and which trainings have a checkpoint."""
    kept = [str(p.parents[1].relative_to(run_dir)) for p in run_dir.rglob("checkpoint.json")]
    return len(list(run_dir.rglob("result.json"))), " ".join(sorted(kept)) or "-"


def artefacts(run_dir: Path) -> dict[str, str]:
    """SHA-256 of all that a run is for: weights, labels, scores, tables, the delivered bundle."""
    kinds = ("*.pt", "*.nii.gz", "*.csv", "summary.txt")
    folders = [
        run_dir / name for name in ("model", "labels", "predictions", "metrics", "compare", "bundle", "pseudo_labels")
    ]
    files = [file for folder in folders for kind in kinds for file in folder.rglob(kind) if file.name != LOSSES]
    files += [run_dir / "metrics.csv", run_dir / "summary.txt"]
    return {str(file.relative_to(run_dir)): hash_file(file) for file in sorted(files)}


def differences(run_dir: Path, expected: dict[str, str]) -> list[str]:
    """Artefacts that are missing, too many or different, and records that do not hold."""
    found = artefacts(run_dir)
    wrong = [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
    return wrong + [str(r.parent) for r in run_dir.rglob("result.json") if why_not_done(r.parent)]


def atso_run(data: Path, log: Path, settings: dict[str, str]) -> Start:
    """Starts `atso run` with some settings."""
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]

    def start(run_dir: Path, executor: str) -> Started:
        places = ["--dataset_dir", str(data), "--output_dir", str(run_dir), "--executor", executor]
        return Started(["run", *places, *options], log)

    return start


def rehearse(folder: Path, kills: int, seed: int) -> int:
    """Undisturbed run, then kills; returns the number of differences."""
    began, log = time.monotonic(), folder / "output.txt"
    start = atso_run(folder / "data", log, SETTINGS)
    if ended(start(folder / "whole", "local")) != 0:
        raise SystemExit(f"the undisturbed run failed: {log}")
    expected = artefacts(folder / "whole")
    print(f"undisturbed: {len(expected)} artefacts, {time.monotonic() - began:.0f} s", flush=True)
    torment, spent, rounds, wrong = Torment(start, seed=seed), 0, 0, list[str]()
    row = "{:>4}  {:<10}  {:<8}  {:>6}  {:>5}  {:<7} {}"
    print(row.format("kill", "who", "executor", "s", "done", "", "checkpoints"), flush=True)
    while spent < kills:
        run_dir, rounds, finished = folder / f"killed {rounds + 1}", rounds + 1, False
        while spent < kills and not finished:
            if torment.kill(run_dir, spent):
                spent += 1
            else:
                finished = torment.rows[-1][-1] == "exit 0"
            number, who, executor, seconds, done, kept, hit = torment.rows[-1]
            print(row.format(number, who, executor, seconds, done, hit, kept), flush=True)
        if not finished and (code := ended(start(run_dir, "local"))) != 0:
            raise SystemExit(f"the killed run does not continue: exit code {code}, {log}")
        wrong += differences(run_dir, expected)
        print(f"{run_dir.name}: {len(differences(run_dir, expected))} artefacts differ", flush=True)
    resumed = log.read_text(encoding="utf-8", errors="replace").count("goes on at iteration")
    print(f"{spent} kills in {rounds} runs, {resumed} trainings continued inside, {time.monotonic() - began:.0f} s")
    print("\n".join(["DIFFERENT:", *wrong]) if wrong else f"all {len(expected)} artefacts are the same, byte for byte")
    return len(wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept; must not exist. Default: a temporary one")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="atso-kill-"))
    folder.mkdir(parents=True, exist_ok=arguments.folder is None)
    wrong = rehearse(folder.absolute(), arguments.kills, arguments.seed)
    if not wrong and arguments.folder is None:
        shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
