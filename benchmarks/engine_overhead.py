"""Wall time of a run in which no bundle run is at work, as a share of the whole: what the engine itself costs.

    python benchmarks/engine_overhead.py [--output_dir DIR] [--id value ...]

Runs the demonstration (ids as for `atso demo`) and compares its wall time, from the command to the printed tables but
without the import of torch and MONAI and without the generation of its scans, with the time in which at least one
step's bundle ran.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from atso_monai.cli import settings
from atso_monai.cli.demo import demo_arguments
from atso_monai.cli.main import main as atso
from atso_monai.engine import AtsoWorkflow  # noqa: F401 - imported here so that its time is not counted
from atso_monai.files import read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path)
    arguments, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.output_dir or Path(temporary) / "run"
        made = _generate(folder, rest)
        began = time.time()
        if code := atso(["demo", "--output_dir", str(folder), *rest]):
            sys.exit(code)
        wall = time.time() - began
        spans = [_span(file) for file in folder.rglob("result.json")]
    busy = covered([span for span in spans if span[1] > began])
    first = min(span[0] for span in spans) - began
    print(f"\n{len(spans)} steps, {wall:.1f} s wall, a bundle at work for {busy:.1f} s")
    print(f"outside of bundle work: {wall - busy:.1f} s, {100 * (wall - busy) / wall:.1f}% of the run")
    print(f"of this before the first step (files checked, networks tried): {first:.1f} s")
    print(f"the scans were generated beforehand, in {made:.1f} s")


def _generate(folder: Path, rest: list[str]) -> float:
    """Seconds to write the demo's scans, which a run on scans of one's own has not to do."""
    began = time.time()
    demo = settings.workflow(demo_arguments(), ["--output_dir", str(folder), *rest])
    assert demo.engine.cohort.labelled
    return time.time() - began


def _span(file: Path) -> tuple[float, float]:
    result = read_json(file)
    began = result["settings"]["began"]
    return began, began + result["seconds"]


def covered(spans: list[tuple[float, float]]) -> float:
    """Total length of the union of intervals."""
    total, reach = 0.0, 0.0
    for low, high in sorted(spans):
        total += max(0.0, high - max(low, reach))
        reach = max(reach, high)
    return total


if __name__ == "__main__":
    main()
