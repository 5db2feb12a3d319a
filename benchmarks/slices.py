"""Slices for training: atso_monai's memory-mapped dataset beside MONAI's dictionary transforms, on one thread.

python benchmarks/slices.py                              # 64 slices of 512 x 512 per view
python benchmarks/slices.py --case-size 256 256 100      # height, width, slices

Both sides give the same batches (checked): three adjacent slices in a HU window as float32, and the label as int64.
MONAI takes its slices from arrays in memory, atso_monai from files in the system's cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import Dataset, list_data_collate, set_track_meta
from monai.transforms import (
    CastToTyped,
    CenterSpatialCropd,
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    ScaleIntensityRanged,
    SpatialPadd,
)
from torch.utils.data import DataLoader, default_collate

from atso_monai.prepare import VIEWS, SliceDataset, VolumeStore, Window, collate_slices

KEYS = ("image", "label")
LOW, HIGH = -100, 240


def case(size: list[int], axis: int, folder: Path) -> tuple[dict[str, str], np.ndarray, np.ndarray]:
    """A volume of noise whose slices along ``axis`` have the size asked for, as files and as arrays."""
    height, width, slices = size
    shape = tuple(np.insert([height, width], axis, slices))
    rng = np.random.default_rng(axis)
    image = rng.integers(-1024, 2000, shape, dtype=np.int16)
    label = rng.integers(0, 2, shape, dtype=np.uint8)
    paths = {"image": str(folder / f"image{axis}.nii"), "label": str(folder / f"label{axis}.nii")}
    for key, array in zip(KEYS, (image, label), strict=True):
        nib.save(nib.Nifti1Image(array, np.eye(4)), paths[key])
    return {"id": VIEWS[axis], **paths}, image, label


def ours(item: dict[str, str], axis: int, folder: Path) -> SliceDataset:
    store = VolumeStore(folder / "cache", intensity=Window(LOW, HIGH))
    return SliceDataset([item], store, axis, foreground="all")


def six_transforms(size: list[int]) -> Compose:
    """The usual six for slices that are in memory."""
    return Compose(
        [
            EnsureChannelFirstd(KEYS, channel_dim=0),
            ScaleIntensityRanged("image", LOW, HIGH, 0, 1, clip=True),
            CastToTyped(KEYS, dtype=(torch.float32, torch.int64)),
            SpatialPadd(KEYS, size[:2]),
            CenterSpatialCropd(KEYS, size[:2]),
            EnsureTyped(KEYS, dtype=(torch.float32, torch.int64)),
        ]
    )


def monai(image: np.ndarray, label: np.ndarray, axis: int, size: list[int]) -> Dataset:
    """MONAI's dataset over views of arrays that have the slices first and contiguous."""
    image, label = (np.ascontiguousarray(np.moveaxis(a, axis, 0)) for a in (image, label))
    last = len(image) - 1
    triples = [[max(n - 1, 0), n, min(n + 1, last)] for n in range(len(image))]
    items = [
        {"image": image[t[0] : t[2] + 1] if t[2] - t[0] == 2 else image[t], "label": label[n : n + 1]}
        for n, t in enumerate(triples)
    ]
    return Dataset(items, six_transforms(size))


def loader(dataset: Any, batch_size: int, collate: Callable[[Any], Any]) -> Iterable[Any]:
    generator = torch.Generator().manual_seed(0)
    return DataLoader(dataset, batch_size, shuffle=True, generator=generator, collate_fn=collate)


def measure(make: Callable[[], Iterable[Any]], slices: int, repeats: int) -> tuple[float, float, Any]:
    """CPU and wall milliseconds per slice of the best epoch, and the first batch."""
    cpu, wall = [], []
    first = next(iter(make()))
    for _ in range(repeats):
        started, began = time.process_time(), time.perf_counter()
        for _ in make():
            pass
        cpu.append(time.process_time() - started)
        wall.append(time.perf_counter() - began)
    return min(cpu) * 1e3 / slices, min(wall) * 1e3 / slices, first


def contests(size: list[int], axis: int, batch_size: int, folder: Path) -> list[tuple[str, bool, Any]]:
    """(name, MetaTensors or not, call that gives a loader), the first is what the others are compared with."""
    item, image, label = case(size, axis, folder)
    theirs, dataset = monai(image, label, axis, size), ours(item, axis, folder)
    return [
        ("MONAI, six transforms", True, lambda: loader(theirs, batch_size, list_data_collate)),
        ("MONAI, set_track_meta(False)", False, lambda: loader(theirs, batch_size, list_data_collate)),
        ("SliceDataset, torch's collate", True, lambda: loader(dataset, batch_size, default_collate)),
        ("SliceDataset, collate_slices", True, lambda: loader(dataset, batch_size, collate_slices)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case-size", type=int, nargs=3, default=[512, 512, 64], metavar=("H", "W", "SLICES"))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    height, width, slices = args.case_size
    print(
        f"{slices} slices of {height} x {width} x 3, batches of {args.batch_size}, one thread, best of {args.repeats}\n"
    )
    print("| view | what | CPU ms per slice | wall ms per slice | times faster (CPU) |")
    print("| --- | --- | ---: | ---: | ---: |")
    for axis, view in enumerate(VIEWS):
        reference = None
        with tempfile.TemporaryDirectory() as folder:
            for name, track, make in contests(args.case_size, axis, args.batch_size, Path(folder)):
                set_track_meta(track)
                cpu, wall, batch = measure(make, slices, args.repeats)
                reference = reference or (cpu, batch)
                for key in KEYS:
                    torch.testing.assert_close(torch.as_tensor(batch[key]), torch.as_tensor(reference[1][key]))
                print(f"| {view} | {name} | {cpu:.2f} | {wall:.2f} | {reference[0] / cpu:.1f} |", flush=True)
    set_track_meta(True)


if __name__ == "__main__":
    main()
