"""One 3D augmentation by RandWarpd against MONAI's RandAffined followed by RandSmoothDeformd, in one run.

python benchmarks/augmentation.py [--size 40 56 44] [--repeats 30]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from monai.data import set_track_meta
from monai.transforms import Compose, RandAffined, RandSmoothDeformd

from atso_monai.transforms import RandWarpd

KEYS, MODES = ["image", "label"], ["bilinear", "nearest"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(40, 56, 44))
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    set_track_meta(False)
    size = tuple(arguments.size)
    data = {"image": torch.rand(1, *size), "label": (torch.rand(1, *size) > 0.9).to(torch.uint8)}
    angle = math.radians(15)
    affine = RandAffined(
        KEYS, prob=1.0, rotate_range=(angle,) * 3, scale_range=(0.18,) * 3, translate_range=(3,) * 3, mode=MODES,
        padding_mode="border", spatial_size=size, cache_grid=True,
    )  # fmt: skip
    bend = RandSmoothDeformd(
        KEYS, spatial_size=size, rand_size=(5, 5, 5), prob=1.0, def_range=0.15, field_mode="trilinear",
        align_corners=True, grid_mode=MODES, grid_align_corners=True,
    )  # fmt: skip
    contestants = {
        "RandAffined, RandSmoothDeformd": Compose([affine, bend]),
        "RandWarpd": RandWarpd(KEYS, MODES, rotate=15, scale=0.18, shift=3, elastic=1.5),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(arguments.repeats):
        for name, transform in contestants.items():
            times[name].append(_seconds(transform, data))
    first = median(times["RandAffined, RandSmoothDeformd"])
    print(f"image and label of {size}, one thread, median CPU time of {arguments.repeats}")
    for name, values in times.items():
        print(f"{name:32} {1000 * median(values):7.1f} ms  {first / median(values):4.1f} x")


def _seconds(transform: Callable[[dict[str, Any]], Any], data: dict[str, torch.Tensor]) -> float:
    began = time.process_time()
    transform(dict(data))
    return time.process_time() - began


if __name__ == "__main__":
    main()
