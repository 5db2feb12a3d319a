"""AugmentedSlices: right slices of the transformed volume, and the same draws in any order and any process."""

import math

import numpy as np
import pytest
import torch
from monai.data import get_track_meta, set_track_meta
from monai.transforms import Compose, RandAffined, RandFlipd, RandGaussianNoised, RandSmoothDeformd
from torch.utils.data import DataLoader

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare.augmented_slices import AugmentedSlices, choose_slices, collate_draws, with_neighbours

SIZE = (10, 12, 14)


def volumes(count=3, size=SIZE):
    """Volumes whose voxel value is their own address plus 10,000 times the case; half of the slices have foreground."""
    address = torch.arange(math.prod(size), dtype=torch.float32).reshape(size)
    label = torch.zeros(size, dtype=torch.uint8)
    label[size[0] // 2 :, size[1] // 2 :, size[2] // 2 :] = 2
    return [(address + 10_000 * case, label.clone()) for case in range(count)]


def strong():
    keys, modes = ["image", "label"], ("bilinear", "nearest")
    deform = {"field_mode": "trilinear", "align_corners": True, "grid_mode": modes}
    return Compose(
        [
            RandAffined(keys, prob=0.9, rotate_range=(0.3,) * 3, mode=modes, padding_mode="border"),
            RandSmoothDeformd(keys, spatial_size=SIZE, rand_size=(4, 4, 4), prob=0.5, def_range=0.2, **deform),
            RandGaussianNoised("image", prob=0.5, std=0.1),
        ]
    )


def same(a, b):
    return torch.equal(a["image"], b["image"]) and torch.equal(a["label"], b["label"])


@pytest.mark.parametrize(("view", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2), (1, 1)])
def test_slices_come_with_their_neighbours_and_the_label_of_the_middle(view, axis):
    cases = volumes(2)
    draw = AugmentedSlices(cases, None, view, context=3, slices=5, length=4)[0]
    plane = [n for i, n in enumerate(SIZE) if i != axis]
    assert draw["image"].shape == (5, 3, *plane) and draw["image"].dtype == torch.float32
    assert draw["label"].shape == (5, 1, *plane) and draw["label"].dtype == torch.int64
    for image, label in zip(draw["image"], draw["label"], strict=True):
        case = int(image[1, 0, 0]) // 10_000
        place = int(np.unravel_index(int(image[1, 0, 0]) % 10_000, SIZE)[axis])
        for channel, number in enumerate((max(place - 1, 0), place, min(place + 1, SIZE[axis] - 1))):
            assert torch.equal(image[channel], cases[case][0].select(axis, number))
        assert torch.equal(label[0], cases[case][1].select(axis, place).long())


@pytest.mark.parametrize("context", [1, 5])
def test_the_end_slice_repeats_itself_as_neighbour(context):
    image = torch.arange(4.0).reshape(4, 1, 1).expand(4, 2, 2)
    found = with_neighbours(image, torch.tensor([0, 3]), context)[:, :, 0, 0]
    assert found.tolist() == (
        [[0.0], [3.0]] if context == 1 else [[0.0, 0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 3.0, 3.0]]
    )


def test_draws_are_the_same_again_and_in_any_order_and_differ_from_each_other():
    one = AugmentedSlices(volumes(), strong(), "axial", slices=4, length=8, seed=3)
    two = AugmentedSlices(volumes(), strong(), "axial", slices=4, length=8, seed=3)
    forward = [one[i] for i in range(8)]
    backward = [two[i] for i in reversed(range(8))][::-1]
    assert all(same(a, b) for a, b in zip(forward, backward, strict=True))
    assert not any(same(forward[i], forward[j]) for i in range(8) for j in range(i))


def test_another_seed_gives_other_draws():
    one, two = (AugmentedSlices(volumes(1), strong(), 0, slices=4, length=2, seed=seed) for seed in (0, 1))
    assert not same(one[0], two[0])


@pytest.mark.slow
def test_any_number_of_loader_workers_gives_the_same_batches():
    def batches(workers):
        data = AugmentedSlices(volumes(), strong(), "coronal", slices=4, length=6, seed=5)
        loader = DataLoader(data, batch_size=2, num_workers=workers, collate_fn=collate_draws)
        return list(loader)

    alone, helped = batches(0), batches(2)
    assert [tuple(batch["image"].shape) for batch in alone] == [(8, 3, 10, 14)] * 3
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


def test_every_case_is_used_once_per_round():
    data = AugmentedSlices(volumes(5), None, 0, slices=1, length=50)
    cases = [int(data[i]["image"][0, 1, 0, 0]) // 10_000 for i in range(50)]
    assert all(sorted(cases[start : start + 5]) == list(range(5)) for start in range(0, 50, 5))
    assert len({tuple(cases[start : start + 5]) for start in range(0, 50, 5)}) > 1


def test_image_and_label_are_transformed_alike():
    flip = RandFlipd(["image", "label"], prob=1.0, spatial_axis=0)
    draw = AugmentedSlices(volumes(1), flip, 2, slices=14, length=1)[0]
    plain = AugmentedSlices(volumes(1), None, 2, slices=14, length=1)[0]
    assert torch.equal(draw["image"], plain["image"].flip(2))
    assert torch.equal(draw["label"], plain["label"].flip(2))


def test_labels_stay_classes_under_a_strong_transform():
    data = AugmentedSlices(volumes(), strong(), 1, slices=6, length=10)
    values = torch.cat([data[i]["label"].unique() for i in range(10)]).unique()
    assert values.tolist() == [0, 2]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_foreground_share_is_kept_and_slices_do_not_repeat(share):
    label = torch.zeros(40, 3, 3, dtype=torch.uint8)
    label[8:32, 1, 1] = 1
    random = np.random.default_rng(0)
    for _ in range(20):
        chosen = choose_slices(label, 16, share, random)
        assert len(chosen) == len(chosen.unique()) == 16
        assert int(((chosen >= 8) & (chosen < 32)).sum()) >= round(16 * share)


def test_slices_repeat_only_where_the_volume_has_too_few():
    chosen = choose_slices(torch.ones(3, 2, 2), 8, 0.0, np.random.default_rng(0))
    assert len(chosen) == 8 and set(chosen.tolist()) <= {0, 1, 2}


def test_an_empty_label_gives_slices_from_everywhere():
    assert len(choose_slices(torch.zeros(9, 2, 2), 4, 1.0, np.random.default_rng(0)).unique()) == 4


def test_volumes_stay_as_they_were_even_when_the_transform_writes_in_place():
    def spoil(item):
        item["image"].zero_()
        item["label"].zero_()
        return item

    cases = volumes(1)
    AugmentedSlices(cases, spoil, 0, slices=2, length=1)[0]
    assert torch.equal(cases[0][0], volumes(1)[0][0]) and torch.equal(cases[0][1], volumes(1)[0][1])


@pytest.mark.parametrize("tracked", [True, False])
def test_tensors_are_plain_and_monais_switch_is_put_back(tracked):
    def fail(item):
        raise RuntimeError("broken transform")

    before = get_track_meta()
    try:
        set_track_meta(tracked)
        assert type(AugmentedSlices(volumes(), strong(), 0, slices=2, length=3)[1]["image"]) is torch.Tensor
        with pytest.raises(RuntimeError, match="broken transform"):
            AugmentedSlices(volumes(), fail, 0, slices=2, length=3)[0]
        assert get_track_meta() is tracked
    finally:
        set_track_meta(before)


def test_draws_of_different_sizes_cannot_be_one_batch():
    data = AugmentedSlices([*volumes(1), *volumes(1, (10, 12, 15))], None, 0, slices=2, length=2)
    with pytest.raises(PrepareError, match=r"(?s)12, 14.*12, 15.*TrainingGrid"):
        collate_draws([data[0], data[1]])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("view", "saggital"),
        ("view", 3),
        ("context", 2),
        ("slices", 0),
        ("length", -1),
        ("foreground", 1.5),
        ("seed", -1),
    ],
)
def test_wrong_settings_are_named(setting, value):
    with pytest.raises(ConfigError, match=setting):
        AugmentedSlices(volumes(), None, **{"view": 0, setting: value})


def test_no_volumes_and_no_such_draw():
    with pytest.raises(PrepareError, match="no cases"):
        AugmentedSlices([], None, 0)
    with pytest.raises(IndexError, match="Received: 4"):
        AugmentedSlices(volumes(), None, 0, length=4)[4]
