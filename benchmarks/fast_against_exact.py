"""Fast against exact prediction of a trained RSTN: how alike the masks are, case by case.

    python benchmarks/nih_phantom.py --output_dir runs/nih_phantom      # trains one; any run of an RSTN bundle will do
    python benchmarks/fast_against_exact.py runs/nih_phantom/seed0/run [--cases 8] [--precisions bfloat16 float32]

Both modes run the same weights on the run's test cases, whose true labels tell how good the model is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from atso_monai.cohort import Cohort
from atso_monai.inferers import CoarseToFineInferer
from atso_monai.metrics import foreground_dice
from atso_monai.networks import ViewNetworks
from atso_monai.prepare import LabelledVolumes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder")
    parser.add_argument("--cases", type=int, help="at most so many test cases")
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float16", "float32"])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cohort = Cohort.load(args.run / "cohort.json")
    chosen = cohort.test[: args.cases]
    items = [{"id": c.id, "image": c.image, "label": c.label, "label_map": cohort.label_map_of(c)} for c in chosen]
    config = read(args.run)
    volumes, networks = LabelledVolumes(items, config.get_parsed_content("store")), networks_of(config)
    limits = {"threshold": config["threshold"], "max_rounds": config["max_rounds"]}
    modes = {"exact": CoarseToFineInferer("exact", **limits)}
    modes |= {name: CoarseToFineInferer("fast", precision=name, **limits) for name in args.precisions}  # type: ignore[arg-type]
    table(items, volumes, networks, modes)


def read(run: Path) -> ConfigParser:
    """The inference configuration of the run's bundle, all networks in float32."""
    config = ConfigParser()
    config.read_config(run / "bundle" / "configs" / "inference.yaml")
    config["bundle_root"] = str(run / "bundle")
    config["cache_dir"] = str(run / "cache")
    for name in ("coarse_network", "fine_network"):
        if "autocast" in config[name]:
            config[name]["autocast"] = None
    config.parse()
    return config


def networks_of(config: ConfigParser) -> ViewNetworks:
    networks: ViewNetworks = config.get_parsed_content("networks")
    return networks.eval()


def table(
    items: list[dict[str, Any]], volumes: LabelledVolumes, networks: Any, modes: dict[str, CoarseToFineInferer]
) -> None:
    fast = list(modes)[1:]
    print("| case | exact against truth | rounds | " + " | ".join(f"{name} against exact" for name in fast) + " |")
    print("| --- | ---: | ---: | " + " | ".join("---:" for _ in fast) + " |")
    found: list[list[float]] = []
    seconds = dict.fromkeys(modes, 0.0)
    for index, item in enumerate(items):
        image, label = volumes[index]
        masks = {}
        for name, inferer in modes.items():
            began = time.process_time()
            masks[name] = (inferer(image[None, None], networks)[0, 0] >= 0.5).numpy().astype(np.uint8)
            seconds[name] += time.process_time() - began
        truth = np.asarray(label) > 0
        row = [foreground_dice(masks["exact"], truth), *(foreground_dice(masks[name], masks["exact"]) for name in fast)]
        found.append(row)
        rounds = modes["exact"].last
        number = "" if rounds is None else len(rounds.dsc)
        print(f"| {item['id']} | {row[0]:.4f} | {number} | " + " | ".join(f"{value:.4f}" for value in row[1:]) + " |")
    for word, of in (("mean", fmean), ("worst", min)):
        numbers = [f"{of(column):.4f}" for column in zip(*found, strict=True)]
        print(f"| {word} | {numbers[0]} | | " + " | ".join(numbers[1:]) + " |")
    print("\nprocessor seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))


if __name__ == "__main__":
    main()
