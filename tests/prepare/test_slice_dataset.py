from __future__ import annotations

import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare import (
    SliceDataset,
    Statistics,
    TrainingGrid,
    VolumeStore,
    Window,
    ZScore,
    collate_slices,
    slices_with_enough,
)
from atso_monai.prepare.array_file import OpenArrays

WINDOW = Window(-100, 240)


def voxels(path: str) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def expected(item: dict[str, Any], axis: int, centre: int, context: int, every: bool) -> tuple[np.ndarray, np.ndarray]:
    """Brute force: one slice at a time by take, window by its formula."""
    image, label = voxels(item["image"]), voxels(item["label"])
    places = [min(max(centre + n, 0), image.shape[axis] - 1) for n in range(-(context // 2), context // 2 + 1)]
    pixels = np.stack([image.take(place, axis=axis) for place in places]).astype(np.float64)
    truth = [label.take(place, axis=axis) for place in (places if every else [centre])]
    return np.clip((pixels + 100) / 340, 0, 1), np.stack(truth)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("context", "target"), [(1, "centre"), (3, "centre"), (3, "all"), (5, "all"), (11, "centre")])
def test_slices_are_those_of_brute_force(tmp_path: Path, cohort, axis: int, context: int, target: Any) -> None:
    items = cohort(2)
    view = ("sagittal", "coronal", "axial")[axis]
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c", None, WINDOW), view, context, "all", target)
    order = [(item, centre) for item in items for centre in range((9, 8, 7)[axis])]
    assert len(dataset) == len(order)
    for number, (item, centre) in enumerate(order):
        sample = dataset[number]
        image, label = expected(item, axis, centre, context, target == "all")
        assert dataset.where(number) == (item["id"], centre)
        assert (sample["image"].dtype, sample["label"].dtype) == (torch.float32, torch.int64)
        np.testing.assert_allclose(sample["image"], image, atol=1e-6)
        np.testing.assert_array_equal(sample["label"], label)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_foreground_rule_over_all_cases_together(tmp_path: Path, cohort, axis: int) -> None:
    items = cohort(9, (14, 13, 12))
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c"), axis)
    others = tuple(other for other in range(3) if other != axis)
    counts = [np.count_nonzero(voxels(item["label"]), axis=others) for item in items]
    kept = slices_with_enough(np.concatenate(counts))
    places = [(item["id"], n) for item, count in zip(items, counts, strict=True) for n in range(len(count))]
    assert [dataset.where(n) for n in range(len(dataset))] == [p for p, keep in zip(places, kept, strict=True) if keep]
    assert 0 < len(dataset) < sum((count > 0).sum() for count in counts) + 1


def batches(dataset: SliceDataset, seed: int, **options: Any) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return list(DataLoader(dataset, batch_size=4, shuffle=True, generator=generator, **options))


def same(one: list[Any], other: list[Any]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a[key], b[key]) for a, b in pairs for key in ("image", "label"))


def test_the_same_seed_gives_the_same_order(tmp_path: Path, cohort) -> None:
    items = cohort()
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c", None, WINDOW), "axial")
    anew = SliceDataset(items, VolumeStore(tmp_path / "d", None, WINDOW), 2)
    assert same(batches(dataset, 7), batches(dataset, 7))
    assert same(batches(dataset, 7), batches(anew, 7))
    assert not same(batches(dataset, 7), batches(dataset, 8))


def test_all_ways_to_collate_agree(tmp_path: Path, cohort) -> None:
    from monai.data.utils import list_data_collate

    dataset = SliceDataset(cohort(), VolumeStore(tmp_path / "c", None, ZScore()), "coronal", target="all")
    fast = batches(dataset, 3, collate_fn=collate_slices)
    assert same(fast, batches(dataset, 3))
    assert same(fast, batches(dataset, 3, collate_fn=list_data_collate))
    one_by_one = default_collate([dataset[n] for n in (2, 0)])
    assert same([one_by_one], [collate_slices(dataset.__getitems__([2, 0]))])
    assert same([one_by_one], [collate_slices([dataset[2], dataset[0]])])


def test_worker_processes_give_the_same(tmp_path: Path, cohort) -> None:
    dataset = SliceDataset(cohort(), VolumeStore(tmp_path / "c", TrainingGrid(size=(8, 8, 8)), WINDOW), "axial")
    assert same(batches(pickle.loads(pickle.dumps(dataset)), 0), batches(dataset, 0))
    workers = batches(dataset, 0, num_workers=1, multiprocessing_context="spawn", collate_fn=collate_slices)
    assert same(workers, batches(dataset, 0))


def test_zscore_is_that_of_the_whole_case(tmp_path: Path, cohort) -> None:
    items = cohort(1)
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c", TrainingGrid(size=(12, 8, 7)), ZScore()), 1, 1, "all")
    image = voxels(items[0]["image"]).astype(np.float64)
    scored = (image - image.mean()) / image.std()
    expected = np.pad(scored, ((1, 2), (0, 0), (0, 0)), constant_values=scored.min())
    np.testing.assert_allclose(dataset[3]["image"][0], expected[:, 3], atol=1e-5)


def test_without_intensity_values_are_those_of_the_file(tmp_path: Path, cohort) -> None:
    items = cohort(1)
    sample = SliceDataset(items, VolumeStore(tmp_path / "c"), 0, 1, "all")[2]
    np.testing.assert_array_equal(sample["image"][0], voxels(items[0]["image"])[2])


def test_intensities_of_others_are_taken(tmp_path: Path, cohort) -> None:
    class Negative:
        def apply_(self, values: torch.Tensor, statistics: Statistics) -> torch.Tensor:
            return values.neg_()

    items = cohort(1)
    sample = SliceDataset(items, VolumeStore(tmp_path / "c", None, Negative()), 0, 1, "all")[2]
    np.testing.assert_array_equal(sample["image"][0], -voxels(items[0]["image"])[2].astype(np.float32))


def test_samples_are_the_caller_s_to_change(tmp_path: Path, cohort) -> None:
    dataset = SliceDataset(cohort(1), VolumeStore(tmp_path / "c"), 0)
    first = dataset[0]
    kept = first["image"].clone()
    first["image"].zero_()
    assert torch.equal(dataset[0]["image"], kept)


def test_transform_sees_each_sample(tmp_path: Path, cohort) -> None:
    items = [*cohort(1), *cohort(1, (9, 12, 7))]
    dataset = SliceDataset(
        items, VolumeStore(tmp_path / "c"), 0, transform=lambda sample: {"image": sample["image"][:, :4, :4]}
    )
    (batch,) = DataLoader(dataset, batch_size=len(dataset))
    assert batch["image"].shape == (len(dataset), 3, 4, 4)
    assert dataset[0]["image"].shape == (3, 4, 4)


def test_sizes_that_differ_within_a_batch(tmp_path: Path, cohort, save) -> None:
    items = cohort(2)
    for key in ("image", "label"):
        items[1][key] = save(f"{key}/big.nii.gz", np.pad(voxels(items[1][key]), ((0, 0), (0, 3), (0, 0))))
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c"), "sagittal")
    with pytest.raises(PrepareError, match=r"c0 has 8x7, c1 has 11x7\. Set size in the TrainingGrid"):
        list(DataLoader(dataset, batch_size=len(dataset)))
    assert len(list(DataLoader(dataset, batch_size=1))) == len(dataset)
    even = SliceDataset(items, VolumeStore(tmp_path / "c", TrainingGrid(size=(None, 8, 8))), "sagittal")
    assert len(list(DataLoader(even, batch_size=len(even)))) == 1


def test_cases_from_a_file(tmp_path: Path, cohort) -> None:
    items = cohort()
    (tmp_path / "a #1 $x.json").write_text(json.dumps(items))
    prepared = VolumeStore(tmp_path / "c")
    from_file = SliceDataset(tmp_path / "a #1 $x.json", prepared, 2)
    assert same(batches(from_file, 0), batches(SliceDataset(tuple(items), prepared, 2), 0))
    unnamed = [{key: item[key] for key in ("image", "label")} for item in items]
    assert SliceDataset(unnamed, prepared, 2).ids == ("c0", "c1", "c2")


def test_label_map_of_a_case(tmp_path: Path, cohort) -> None:
    items = [{**item, "label_map": {"1": 1, "2": 1}} for item in cohort(1)]
    labels = SliceDataset(items, VolumeStore(tmp_path / "c"), 0, foreground="all")
    for number in range(9):
        np.testing.assert_array_equal(labels[number]["label"][0], voxels(items[0]["label"])[number] > 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"context": 2}, "odd number of slices. Received: 2"),
        ({"context": -1}, "odd number"),
        ({"foreground": "rtsn"}, "Did you mean 'rstn'"),
        ({"target": "center"}, "Did you mean 'centre'"),
        ({"view": "axail"}, "Did you mean 'axial'"),
    ],
)
def test_arguments_that_are_wrong(tmp_path: Path, cohort, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SliceDataset(cohort(1), VolumeStore(tmp_path / "c"), **{"view": 0, **wrong})


def test_cases_that_do_not_fit(tmp_path: Path, cohort, save) -> None:
    (item,), prepared = cohort(1), VolumeStore(tmp_path / "c")
    empty = save("empty.nii.gz", np.zeros((9, 8, 7), np.uint8))
    small = save("small.nii.gz", np.ones((9, 8, 6), np.uint8))
    bad: list[tuple[list[dict[str, Any]], str]] = [
        ([], "no cases"),
        ([{**item, "label": empty}], "No slice of c0 has foreground"),
        ([{**item, "label": small}], r"case c0 differ in size.*\(9, 8, 7\) and \(9, 8, 6\)"),
        ([{**item, "label": None}], "Case c0 has no label"),
    ]
    for items, message in bad:
        with pytest.raises(PrepareError, match=message):
            SliceDataset(items, prepared, 0)


def test_memory_does_not_grow_with_the_cohort(tmp_path: Path, cohort) -> None:
    """What a dataset holds per case is a record of a few kB, and a few memory maps are open at most."""
    items, held = cohort(24, (32, 32, 32)), []
    for count in (24, 12, 24):  # the first one prepares, and imports
        tracemalloc.start()
        prepared = VolumeStore(tmp_path / "c", None, WINDOW)
        dataset = SliceDataset(items[:count], prepared, 0)
        for _ in DataLoader(dataset, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(0)):
            pass
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(prepared.opened) <= prepared.opened.limit
    assert (held[2] - held[1]) / 12 < 10_000  # bytes


def open_maps(folder: Path) -> int:
    return sum(str(folder) in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not list open memory maps")
def test_few_files_are_mapped_at_once(tmp_path: Path, cohort) -> None:
    items = cohort(40)
    prepared = VolumeStore(tmp_path / "c")
    prepared.opened = OpenArrays(limit=7)
    dataset = SliceDataset(items, prepared, 2)
    for number in range(len(dataset)):
        dataset[number]
    assert 0 < open_maps(tmp_path) <= prepared.opened.limit


def test_real_cases(tmp_path: Path) -> None:
    data = Path(__file__).parents[2] / ".." / "shared" / "data" / "Task04_Hippocampus"
    if not data.is_dir():
        pytest.skip("Task04_Hippocampus is not beside the project folder")
    names = sorted(path.name for path in (data / "labelsTr").glob("*.nii.gz"))[:4]
    items = [{"image": str(data / "imagesTr" / n), "label": str(data / "labelsTr" / n)} for n in names]
    dataset = SliceDataset(items, VolumeStore(tmp_path / "c", TrainingGrid(size=(40, 56, 44)), ZScore()), "sagittal")
    (batch,) = DataLoader(dataset, batch_size=len(dataset), collate_fn=collate_slices)
    assert batch["image"].shape == (len(dataset), 3, 56, 44)
    assert batch["label"].flatten(1).any(dim=1).all()
    assert batch["label"].unique().tolist() == [0, 1, 2]
    assert batch["image"].isfinite().all()
