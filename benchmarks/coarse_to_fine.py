"""Seconds of a case and of a slice by CoarseToFineInferer, exact and fast, with full-size FCN-8s at 512 x 512.

    python benchmarks/coarse_to_fine.py [--slices 4] [--views axial] [--rounds 2] [--threads 1]
    python benchmarks/coarse_to_fine.py --slices 16 --views axial sagittal coronal
    python benchmarks/coarse_to_fine.py --estimate 240         # a scan of 512 x 512 x 240, from a few slices of it
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
from collections.abc import Callable, Sequence

import torch

from atso_monai.inferers import CoarseToFineInferer
from atso_monai.inferers.coarse_round import reach_of
from atso_monai.inferers.fine_round import fine_score
from atso_monai.inferers.pace import EXACT, fast_pace
from atso_monai.inferers.precision import computing_in
from atso_monai.inferers.slices import with_neighbours
from atso_monai.networks import RSTN, FCN8s
from atso_monai.phantom import phantom_case

SIDE, ORGAN, BATCH = 512, 0.9, 8
PADDING = {"exact": "caffe", "fast": "same"}


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
    """(1, 1, 512, 512, slices) in [0, 1], up to 240 slices; the pancreas of a phantom is set to 1."""
    case = phantom_case(3, shape=(128, 128, 60))
    image = torch.from_numpy(case.image).float().add(100).div(340).clamp(0, 0.8)
    image[torch.from_numpy(case.label) > 0] = 1
    for axis, times in enumerate((4, 4, 4 if slices > image.shape[2] else 1)):
        image = image.repeat_interleave(times, axis)
    middle = int((image == 1).any(0).any(0).nonzero().float().mean())
    first = max(0, middle - slices // 2)
    return image[None, None, :, :, first : first + slices]


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


def estimate(number: int, rounds: int) -> None:
    """Seconds of a whole scan in three views, from a few inputs of each view, mode and round.

    The fast mode's last view, the coronal one, leaves out slices that are far from the organ, and the others
    repetitions of blank ones.
    """
    image = scan(number)[0, 0]
    mask, models = image > ORGAN, {mode: networks(["axial"], pad)["axial"] for mode, pad in PADDING.items()}
    models["fast"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    print("| part | view | inputs, exact | fast | exact, a slice | fast, a slice | exact, s | fast, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    total = {"exact": 0.0, "fast": 0.0}
    for view in ("axial", "sagittal", "coronal"):
        axis = ("sagittal", "coronal", "axial").index(view)
        with_organ = mask.movedim(axis, 0).flatten(1).any(1)
        every = len(with_organ)
        slices = image.movedim(axis, 0)
        near = _near(with_organ, reach_of(models["fast"]) + 1) if view == "coronal" else every - _repeated(slices)
        inside = _near(with_organ, 1)
        coarse = {mode: _coarse_seconds(model, slices, mode) for mode, model in models.items()}
        fine = {mode: _fine_seconds(model, image, mask, view, mode) for mode, model in models.items()}
        for part, inputs, each, times in (
            ("coarse", (every, near), coarse, 1),
            ("fine", (inside, inside), fine, rounds),
        ):
            whole = [times * n * seconds for n, seconds in zip(inputs, each.values(), strict=True)]
            row = [f"{value:.2f}" for value in each.values()] + [f"{value:.0f}" for value in whole]
            print(f"| {part} | {view} | {times * inputs[0]} | {times * inputs[1]} | " + " | ".join(row) + " |")
            total = {mode: total[mode] + value for mode, value in zip(total, whole, strict=True)}
    print(f"| all, {rounds} fine rounds | | | | | | {total['exact']:.0f} | {total['fast']:.0f} |")
    print(f"\n{total['exact'] / total['fast']:.1f} times faster, in processor time")


def _near(chosen: torch.Tensor, reach: int) -> int:
    """How many slices are at most ``reach`` away from a chosen one."""
    return int(torch.nn.functional.max_pool1d(chosen[None, None].float(), 2 * reach + 1, 1, reach).sum())


def _repeated(slices: torch.Tensor) -> int:
    """How many inputs hold nothing but air, less the first one."""
    blank = slices.flatten(1).amax(1) == slices.min()
    return max(0, len(slices) - _near(~blank, 1) - 1)


def _coarse_seconds(network: Finder, slices: torch.Tensor, mode: str) -> float:
    first = len(slices) // 2
    chosen = range(first, first + (1 if mode == "exact" else BATCH))
    pace = EXACT if mode == "exact" else fast_pace(BATCH, "bfloat16")
    batch = pace.laid_out(with_neighbours(slices, chosen, network.channels))
    with computing_in(pace.precision, slices.device):
        network.coarse_probability(batch[:1])  # converts the weights
        return _seconds(lambda: network.coarse_probability(batch)) / len(batch)


def _fine_seconds(network: Finder, image: torch.Tensor, mask: torch.Tensor, view: str, mode: str) -> float:
    """A slice of a fine round: the organ is cut down to some slices in its middle."""
    axis = ("sagittal", "coronal", "axial").index(view)
    places = mask.movedim(axis, 0).flatten(1).any(1).nonzero()[:, 0]
    wanted = 2 if mode == "exact" else BATCH
    chosen = places[len(places) // 2 :][:wanted]
    part = torch.zeros_like(mask)
    part.movedim(axis, 0)[chosen] = mask.movedim(axis, 0)[chosen]
    pace = EXACT if mode == "exact" else fast_pace(BATCH, "bfloat16")
    return _seconds(lambda: fine_score(image, part.float(), part, {view: network}, pace)) / (len(chosen) + 2)


def _seconds(work: Callable[[], object]) -> float:
    """Processor seconds, the faster of two."""
    found = []
    for _ in range(2):
        began = time.process_time()
        with torch.no_grad():
            work()
        found.append(time.process_time() - began)
    return min(found)


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
    parser.add_argument("--estimate", type=int, metavar="SLICES")
    parser.add_argument("--memory", type=int, nargs="+", metavar="SLICES")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        peak_memory(args.peak, args.views)
    elif args.estimate:
        estimate(args.estimate, args.rounds)
    elif args.memory:
        memory(args.memory, args.views)
    else:
        compare(args)


if __name__ == "__main__":
    main()
