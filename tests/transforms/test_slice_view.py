from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, EnsureTyped, Flip, Invertd

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms import SliceView, SliceViewd, slices_of, volume_of


def by_hand(volume: np.ndarray, axis: int, context: int) -> np.ndarray:
    size = volume.shape[axis + 1]
    stack = []
    for i in range(size):
        near = [min(max(i + k, 0), size - 1) for k in range(-(context // 2), context // 2 + 1)]
        stack.append(np.concatenate([np.take(volume, j, axis + 1) for j in near]))
    return np.stack(stack)


@pytest.mark.parametrize("context", [1, 3, 5, 9])
@pytest.mark.parametrize("axis, view", [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_slices_are_those_cut_by_hand(axis: int, view: str, context: int, as_kind: Any) -> None:
    rng = np.random.default_rng(axis + context)
    for _ in range(5):
        volume = rng.normal(size=(rng.integers(1, 4), *rng.integers(1, 8, 3)))
        for name in (view, axis):
            out = SliceView(name, context)(as_kind(volume))
            assert np.array_equal(np.asarray(out), by_hand(volume, axis, context))


def test_the_ends_repeat_themselves_as_neighbour() -> None:
    volume = torch.arange(3.0).reshape(1, 1, 1, 3)
    assert slices_of(volume, "axial").flatten(1).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_channels_of_one_slice_stay_together() -> None:
    volume = torch.tensor([[0.0, 1, 2], [10, 11, 12]]).reshape(2, 3, 1, 1)
    assert slices_of(volume, 0)[1].flatten().tolist() == [0, 10, 1, 11, 2, 12]


@pytest.mark.parametrize("view", ["sagittal", "coronal", "axial"])
def test_inverse_brings_predictions_back(view: str, as_kind: Any) -> None:
    volume = np.random.default_rng(1).normal(size=(2, 4, 5, 6))
    slicer = SliceView(view, 3)
    stack = slicer(as_kind(volume))
    middle = stack[:, 2:4]  # the slice itself among its neighbours
    back = slicer.inverse(middle)
    assert type(back) is type(stack)
    assert np.array_equal(np.asarray(back), volume)
    assert np.array_equal(volume_of(torch.as_tensor(np.asarray(middle)), view).numpy(), volume)


def test_affine_stays_and_the_record_goes(grid: Any) -> None:
    affine = torch.from_numpy(grid(np.random.default_rng(0), (1.0, 2.0, 3.0)))
    slicer = SliceView("coronal")
    img = MetaTensor(torch.rand(1, 3, 4, 5), affine=affine)
    stack = slicer(img)
    assert torch.equal(stack.affine, affine) and len(stack.applied_operations) == 1
    back = slicer.inverse(stack[:, 1:2])
    assert torch.equal(back.affine, affine) and not back.applied_operations
    assert len(stack.applied_operations) == 1


@pytest.mark.parametrize("view", [0, 1, 2])
def test_invertd_takes_predictions_back_through_a_loader(view: int) -> None:
    image = MetaTensor(torch.rand(1, 4, 5, 6), affine=torch.diag(torch.tensor([1, 2, 3.0, 1])))
    label = MetaTensor((image.as_tensor() > 0.5).to(torch.uint8), affine=image.affine)
    pre = Compose([EnsureTyped(["image", "label"]), SliceViewd(["image", "label"], view, (3, 1))])
    batch = next(iter(DataLoader(Dataset([{"image": image, "label": label}], pre), batch_size=1)))
    assert batch["image"].shape[2] == 3 and batch["label"].shape[2] == 1
    batch["pred"] = torch.cat([1 - batch["image"][:, :, 1:2], batch["image"][:, :, 1:2]], 2)
    post = Compose([Invertd(["pred", "label"], pre, orig_keys=["image", "label"])])
    out = next(post(item) for item in decollate_batch(batch))
    assert torch.equal(out["pred"][1].as_tensor(), image[0].as_tensor())
    assert torch.equal(out["label"].as_tensor(), label.as_tensor())
    assert torch.equal(out["pred"].affine, image.affine)


def test_compose_inverse() -> None:
    chain = Compose([SliceViewd("label", "sagittal", 1)])
    data = {"label": MetaTensor(torch.rand(1, 2, 3, 4))}
    assert torch.equal(chain.inverse(chain(data))["label"].as_tensor(), data["label"].as_tensor())


@pytest.mark.parametrize("context", [0, 2, -1, 1.5, True])
def test_contexts_that_are_none(context: Any) -> None:
    with pytest.raises(ConfigError, match="context must be an odd number of slices"):
        SliceView("axial", context)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(PrepareError, match=r"\(C, X, Y, Z\) is needed. Received: shape \(3, 4, 5\)"):
        SliceView()(np.zeros((3, 4, 5)))
    slicer = SliceView("axial")
    stack = slicer(MetaTensor(torch.zeros(1, 3, 4, 5)))
    with pytest.raises(PrepareError, match=r"cut along axis 2 of a volume of \(3, 4, 5\). .* volume of \(3, 4, 4\)"):
        slicer.inverse(stack[:4])
    with pytest.raises(PrepareError, match="Received: slices along axis 1"):
        SliceView("coronal").inverse(stack)


def test_inverse_needs_no_record_and_leaves_those_of_others(grid: Any) -> None:
    flipped = Flip(0)(MetaTensor(torch.rand(1, 3, 4, 5)))
    prediction = SliceView("axial", 1)(flipped)
    prediction.applied_operations = prediction.applied_operations[:1]
    back = SliceView("axial").inverse(prediction)
    assert torch.equal(back.as_tensor(), flipped.as_tensor())
    assert [record["class"] for record in back.applied_operations] == ["Flip"]
