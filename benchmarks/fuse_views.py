"""Fusing three views: atso_monai beside MONAI's ensembles, on the same volumes in one run.

python benchmarks/fuse_views.py                        # 3 views of 256 x 256 x 60
python benchmarks/fuse_views.py --size 512 512 120     # a whole abdominal CT
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import torch
from monai.transforms import MeanEnsemble, VoteEnsemble

from atso_monai.transforms import FuseViews

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(field: str) -> float:
    """A line of the process status in MB; not a number where the system keeps none."""
    if not STATUS.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in STATUS.read_text().splitlines() if line.startswith(field))


def give_back() -> None:
    """Return freed memory to the system, where the C library can, so that one run does not live off another's."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def measure(work: Callable[[], torch.Tensor], repeats: int) -> tuple[float, float, torch.Tensor]:
    """Best seconds of ``repeats`` runs, the most MB that a run added, the result."""
    seconds, added = [], []
    for _ in range(repeats):
        give_back()
        if CLEAR.exists():
            CLEAR.write_text("5")  # the peak counts from here
        before, start = memory("VmRSS"), time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
        added.append(memory("VmHWM") - before)
    return min(seconds), max(added), result


def labels(size: list[int], classes: int) -> list[torch.Tensor]:
    """Three label volumes of blocks with noise, which agree in most places."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, classes, (1, 1, 4, 4, 4), generator=generator).float()
    truth = torch.nn.functional.interpolate(blocks, size, mode="nearest")[0].to(torch.uint8)
    views = []
    for _ in range(3):
        noise = torch.randint(0, classes, truth.shape, generator=generator, dtype=torch.uint8)
        wrong = torch.rand(truth.shape, generator=generator) < 0.1
        views.append(torch.where(wrong, noise, truth))
    return views


def contests(size: list[int], classes: int) -> list[tuple[str, str, Callable[[], torch.Tensor]]]:
    """(task, name, call), two calls for a task, MONAI's first."""
    votes = labels(size, classes)
    generator = torch.Generator().manual_seed(1)
    scores = [torch.rand((classes, *size), generator=generator) for _ in range(3)]
    return [
        ("vote of labels", "MONAI VoteEnsemble", lambda: VoteEnsemble(num_classes=classes)(votes)),
        ("vote of labels", "FuseViews('vote')", lambda: FuseViews("vote")(votes)),
        ("mean of scores", "MONAI MeanEnsemble", lambda: MeanEnsemble()(scores)),
        ("mean of scores", "FuseViews('mean')", lambda: FuseViews("mean")(scores)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=[256, 256, 60], metavar=("X", "Y", "Z"))
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape = " x ".join(map(str, args.size))
    print(f"3 views of {shape}, {args.classes} classes, {args.threads} thread(s), best of {args.repeats}\n")
    print("| task | what | seconds | times faster | peak memory, MB |\n| --- | --- | ---: | ---: | ---: |")
    reference: dict[str, tuple[float, torch.Tensor]] = {}
    for task, name, call in contests(args.size, args.classes):
        seconds, added, result = measure(call, args.repeats)
        first, truth = reference.setdefault(task, (seconds, result))
        torch.testing.assert_close(result.float(), truth.float())
        print(f"| {task} | {name} | {seconds:.3f} | {first / seconds:.1f} | {added:.0f} |")


if __name__ == "__main__":
    main()
