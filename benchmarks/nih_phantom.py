"""The NIH pipeline with all strategies on generated scans in TCIA's layout: DICOM in, three views of a small RSTN,
stages, students from a snapshot.

    python benchmarks/nih_phantom.py [--seed 0] [--output_dir runs/nih_phantom] [--id value ...]

Among the 25 scans are one with a flipped label, one whose label file has no header, and a withdrawn one. Further
`--id value` arguments are ids of bundles/nih_pancreas/configs/atso.yaml. A benchmark that was stopped continues.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from atso_monai.cli.main import main as atso
from atso_monai.phantom import write_tcia

WITHDRAWN = 25
DEFECTS = {3: "flipped label", 7: "no label header", WITHDRAWN: "withdrawn"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the scans, the roles and the trainings")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/nih_phantom"))
    arguments, rest = parser.parse_known_args()
    began = time.monotonic()
    folder = arguments.output_dir / f"seed{arguments.seed}"
    data = write_tcia(
        folder / "download", numbers=range(1, WITHDRAWN + 1), seed=arguments.seed, shape=(80, 80, 40), defects=DEFECTS
    )
    words = ["run", "--bundle", "nih_pancreas", "--overlay", "small", "--dataset_dir", str(data)]
    code = atso([*words, "--output_dir", str(folder / "run"), "--seed", str(arguments.seed), *rest])
    print(f"\n{(time.monotonic() - began) / 60:.1f} min in all, scans written and converted included")
    sys.exit(code)


if __name__ == "__main__":
    main()
