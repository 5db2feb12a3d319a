"""HD95 and ASSD of one case: atso_monai beside MONAI's two metrics, on the same volumes in one run.

python benchmarks/surface_distances.py                        # 512 x 512 x 240, an abdominal CT
python benchmarks/surface_distances.py --size 160 160 80
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from fuse_views import CLEAR, give_back, memory
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from atso_monai.metrics import class_surface_distances, dice_scores

SPACING = (0.7, 0.7, 1.0)
ORGANS = {"pancreas": (60, 22, 18), "kidney": (55, 30, 30), "liver": (100, 80, 75)}
"""Semi-axes in mm, about."""

Call = Callable[[], tuple[float, ...]]


def ellipsoid(size: list[int], axes: tuple[float, ...], moved: float = 0.0) -> np.ndarray:
    """A label of one organ in the middle of the volume, ``moved`` mm along the first axis."""
    grids = np.ogrid[tuple(slice(0, n) for n in size)]
    centres = [n / 2 + (moved / SPACING[0] if axis == 0 else 0) for axis, n in enumerate(size)]
    parts = zip(grids, centres, axes, SPACING, strict=True)
    return (sum(((g - c) * s / a) ** 2 for g, c, a, s in parts) <= 1).astype(np.uint8)


def cases(size: list[int]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, prediction and truth."""
    for name, axes in ORGANS.items():
        yield name, ellipsoid(size, axes, 3.0), ellipsoid(size, axes)
    truth = ellipsoid(size, ORGANS["pancreas"])
    noise = np.random.default_rng(0).random(size, dtype=np.float32) < 0.002
    yield "pancreas, false positives all over", (truth | noise).astype(np.uint8), truth


def contests(prediction: np.ndarray, truth: np.ndarray) -> list[tuple[str, Call]]:
    """(name, call that gives HD95 and ASSD)."""
    affine = np.diag([*SPACING, 1.0])

    def ours() -> tuple[float, float]:
        found = class_surface_distances(prediction, truth, [1], affine)[1]
        return found.hd95, found.assd

    def monai() -> tuple[float, float]:
        masks = [torch.from_numpy(labels)[None, None] for labels in (prediction, truth)]
        hd95 = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=list(SPACING))
        assd = compute_average_surface_distance(*masks, include_background=True, symmetric=True, spacing=list(SPACING))
        return float(hd95), float(assd)

    return [("MONAI's two metrics", monai), ("class_surface_distances", ours)]


def measure(work: Call) -> tuple[float, float, tuple[float, ...]]:
    """Seconds, MB added at the peak, the result."""
    give_back()
    if CLEAR.exists():
        CLEAR.write_text("5")  # the peak counts from here
    before, start = memory("VmRSS"), time.perf_counter()
    result = work()
    return time.perf_counter() - start, memory("VmHWM") - before, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=[512, 512, 240], metavar=("X", "Y", "Z"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{' x '.join(map(str, args.size))} voxels of {' x '.join(map(str, SPACING))} mm, 1 thread\n")
    print(
        "| labels | what | seconds | peak memory, MB | HD95, mm | ASSD, mm |\n| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for labels, prediction, truth in cases(args.size):
        seconds, added, _ = measure(lambda p=prediction, t=truth: tuple(dice_scores(p, t, [1]).values()))
        print(f"| {labels} | dice_scores, for comparison | {seconds:.2f} | {added:.0f} | | |", flush=True)
        found = []
        for name, call in contests(prediction, truth):
            seconds, added, result = measure(call)
            found.append(result)
            print(
                f"| {labels} | {name} | {seconds:.2f} | {added:.0f} | {result[0]:.2f} | {result[1]:.2f} |", flush=True
            )
        np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


if __name__ == "__main__":
    main()
