"""Seconds of a case and of a slice by CoarseToFineInferer, exact and fast, with full-size FCN-8s at 512 x 512.

    python benchmarks/coarse_to_fine.py [--slices 4] [--views axial] [--rounds 2] [--threads 1]
    python benchmarks/coarse_to_fine.py --memory 4 16          # peak memory of the fast mode at two numbers of slices

The exact mode runs the released network (padding 100), the fast mode the same weights with "same" padding, one after
the other in the same process. Weights are random: the networks do all their work, but the organ that they "find" in
every round is that of a generated scan, so that boxes and rounds are those of a pancreas.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from atso_monai.inferers import CoarseToFineInferer
from atso_monai.networks import RSTN, FCN8s
from atso_monai.phantom import phantom_case

SIDE, ORGAN = 512, 0.9


class Finder(RSTN):
    """Computes as RSTN does; what is found are the voxels that the image marks."""

    def coarse_probability(self, image: torch.Tensor) -> torch.Tensor:  # noqa: D102
        super().coarse_probability(image)
        return (image > ORGAN).float()

    def fine_probability(self, image: torch.Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> torch.Tensor:  # noqa: D102
        super().fine_probability(image, sizes)
        return (image > ORGAN).float()


def networks(views: Sequence[str], padding: str) -> dict[str, Finder]:
    """One network for all views: time does not depend on weights."""
    torch.manual_seed(0)
    model = Finder(FCN8s(padding=padding), FCN8s(padding=padding)).eval()
    with torch.no_grad():
        model.saliency2.bias.fill_(1.0)
    return dict.fromkeys(views, model)


def scan(slices: int) -> torch.Tensor:
    """(1, 1, 512, 512, slices) in [0, 1], the pancreas of a phantom set to 1."""
    case = phantom_case(3, shape=(128, 128, 60))
    image = torch.from_numpy(case.image).float().add(100).div(340).clamp(0, 0.8)
    image[torch.from_numpy(case.label) > 0] = 1
    middle = int((case.label.sum((0, 1)) > 0).nonzero()[0].mean())
    first = max(0, middle - slices // 2)
    return image[None, None, :, :, first : first + slices].repeat_interleave(4, 2).repeat_interleave(4, 3)


def timed(inferer: CoarseToFineInferer, image: torch.Tensor, models: dict[str, Finder]) -> tuple[float, float]:
    """Wall and processor seconds of a case."""
    wall, processor = time.perf_counter(), time.process_time()
    inferer(image, models)
    return time.perf_counter() - wall, time.process_time() - processor


def compare(args: argparse.Namespace) -> None:
    image = scan(args.slices)
    contestants = [
        ("exact", CoarseToFineInferer("exact", max_rounds=args.rounds), networks(args.views, "caffe")),
        ("fast", CoarseToFineInferer(max_rounds=args.rounds), networks(args.views, "same")),
    ]
    seconds: dict[tuple[str, str], tuple[float, float]] = {}
    for part, rounds in (("coarse round", 0), ("whole case", args.rounds)):
        for name, inferer, models in contestants:
            inferer.threshold, inferer.max_rounds = 2.0, rounds  # the rounds are given, not converged
            seconds[part, name] = timed(inferer, image, models)
    print(f"{tuple(image.shape[2:])}, {args.views}, {args.rounds} fine rounds, {args.threads} thread(s)\n")
    print("| part | exact, s | fast, s | a slice, exact | a slice, fast | times faster | in processor time |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    number = sum(image.shape[2 + ("sagittal", "coronal", "axial").index(view)] for view in args.views)
    for part in ("coarse round", "whole case"):
        (exact, exact_cpu), (fast, fast_cpu) = seconds[part, "exact"], seconds[part, "fast"]
        row = [exact, fast, exact / number, fast / number, exact / fast, exact_cpu / fast_cpu]
        print(f"| {part} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


def memory(slices: Sequence[int], views: Sequence[str]) -> None:
    for number in slices:
        command = [sys.executable, __file__, "--peak", str(number), "--views", *views]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        volume = SIDE * SIDE * number * 4 / 2**20
        print(f"{number:4} slices: peak memory {peak:6.0f} MB, one volume in float32 is {volume:.0f} MB")


def peak_memory(slices: int, views: Sequence[str]) -> None:
    CoarseToFineInferer(max_rounds=1)(scan(slices), networks(views, "same"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--views", nargs="+", default=["axial"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, nargs="+", metavar="SLICES")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        peak_memory(args.peak, args.views)
    elif args.memory:
        memory(args.memory, args.views)
    else:
        compare(args)


if __name__ == "__main__":
    main()
