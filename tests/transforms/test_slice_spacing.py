from __future__ import annotations

from collections.abc import Callable
from typing import Any

import itk
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, EnsureTyped, Flipd, Invertd, SpatialPadd
from scipy import ndimage

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.transforms import NormalizeSliceSpacing, NormalizeSliceSpacingd

CASES = range(12)


def draw(seed: int, grid: Callable[..., np.ndarray], sheared: bool = False) -> tuple[MetaTensor, float, int]:
    """A random volume on a random grid, a random new distance, a random axis."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(2, 14, 3)
    affine = grid(rng, tuple(rng.uniform(0.4, 6, 3)), sheared)
    volume = torch.from_numpy(rng.normal(size=(2, *shape)))
    img = MetaTensor(volume, affine=torch.from_numpy(affine), meta={"pixdim": np.zeros(8, np.float32)})
    return img, float(rng.uniform(0.4, 6)), int(rng.integers(3))


def in_voxels_of(img: MetaTensor, out: MetaTensor) -> np.ndarray:
    """Centres of the voxels of ``out`` (3, N) in voxel indices of ``img``, through the world."""
    index = np.indices(out.shape[1:]).reshape(3, -1)
    world = out.affine.numpy() @ np.vstack([index, np.ones(index.shape[1])])
    return np.linalg.solve(img.affine.numpy(), world)[:3]


@pytest.mark.parametrize("sheared", [False, True])
@pytest.mark.parametrize("seed", CASES)
def test_scipy_finds_the_same_values_at_the_places_that_the_affine_names(seed: int, sheared: bool, grid: Any) -> None:
    img, distance, axis = draw(seed, grid, sheared)
    points = in_voxels_of(img, out := NormalizeSliceSpacing(distance, axis)(img))
    for given, got in zip(img.numpy(), out.numpy(), strict=True):
        truth = ndimage.map_coordinates(given, points, order=1, mode="nearest").reshape(got.shape)
        assert np.allclose(got, truth, atol=1e-6)
    nearest = NormalizeSliceSpacing(distance, axis, "nearest")(img)
    points = np.round(points, 7)  # a point half way is one for scipy too, and both take the later slice
    truth = ndimage.map_coordinates(img.numpy()[0], points, order=0, mode="nearest").reshape(nearest.shape[1:])
    assert np.array_equal(nearest.numpy()[0], truth)


@pytest.mark.parametrize("seed", CASES)
def test_itk_finds_the_same_values_inside_of_its_buffer(seed: int, grid: Any) -> None:
    img, distance, axis = draw(seed, grid)
    out = NormalizeSliceSpacing(distance, axis)(img)
    source, frame = as_itk(img), as_itk(out)
    resampled = itk.resample_image_filter(
        source, reference_image=frame, use_reference_image=True, default_pixel_value=np.nan
    )
    truth = itk.array_from_image(resampled).T
    inside = ~np.isnan(truth)
    assert inside.any() or out.shape[axis + 1] == 1
    assert np.allclose(out.numpy()[0][inside], truth[inside], atol=1e-5)


def as_itk(img: MetaTensor) -> Any:
    affine = np.diag([-1, -1, 1, 1]) @ img.affine.numpy()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = itk.image_from_array(np.ascontiguousarray(img.numpy()[0].T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(affine[:3, :3] / spacing))
    return image


@pytest.mark.parametrize("seed", CASES)
def test_distance_centre_and_other_axes(seed: int, grid: Any) -> None:
    img, distance, axis = draw(seed, grid, sheared=True)
    out = NormalizeSliceSpacing(distance, axis)(img)
    native = torch.linalg.vector_norm(img.affine[:3, :3], dim=0).numpy()
    spacing = torch.linalg.vector_norm(out.affine[:3, :3], dim=0).numpy()
    assert spacing[axis] == pytest.approx(distance)
    assert np.allclose(np.delete(spacing, axis), np.delete(native, axis))
    assert np.allclose(out.meta["pixdim"][1:4], spacing)
    assert np.allclose(centre(out), centre(img))
    extents = out.shape[axis + 1] * distance, img.shape[axis + 1] * native[axis]
    assert abs(extents[0] - extents[1]) <= distance / 2 + 1e-6 or out.shape[axis + 1] == 1


def centre(img: MetaTensor) -> np.ndarray:
    middle = [(size - 1) / 2 for size in img.shape[1:]]
    return (img.affine.numpy() @ [*middle, 1])[:3]


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("seed", CASES)
def test_the_native_grid_returns_exactly(seed: int, mode: str, grid: Any) -> None:
    img, distance, axis = draw(seed, grid, sheared=True)
    resample = NormalizeSliceSpacing(distance, axis, mode)
    back = resample.inverse(resample(img))
    assert back.shape == img.shape
    assert torch.equal(back.affine, img.affine)
    assert not back.applied_operations


@pytest.mark.parametrize("seed", CASES)
def test_labels_return_unchanged_from_finer_slices(seed: int, grid: Any) -> None:
    img, _, axis = draw(seed, grid)
    labels = MetaTensor((img.as_tensor() > 0).to(torch.uint8), affine=img.affine)
    distance = float(np.linalg.norm(img.affine.numpy()[:3, axis])) / (1.5 + seed)
    resample = NormalizeSliceSpacing(distance, axis, "nearest")
    back = resample.inverse(resample(labels))
    assert back.dtype == torch.uint8
    assert torch.equal(back.as_tensor(), labels.as_tensor())


def test_a_linear_ramp_returns_exactly_between_the_ends() -> None:
    ramp = torch.arange(20, dtype=torch.float64).expand(1, 2, 2, 20).clone()
    img = MetaTensor(ramp, affine=torch.diag(torch.tensor([1, 1, 2.5, 1.0])))
    resample = NormalizeSliceSpacing(1.7)
    back = resample.inverse(resample(img))
    assert torch.allclose(back[..., 1:-1].as_tensor(), ramp[..., 1:-1])


def test_twice_the_distance_by_hand() -> None:
    img = MetaTensor(torch.tensor([0.0, 2, 4, 10]).reshape(1, 1, 1, 4), affine=torch.eye(4))
    out = NormalizeSliceSpacing(2.0)(img)
    assert out.flatten().tolist() == [1, 7]
    assert out.affine[2].tolist() == [0, 0, 2, 0.5]
    assert NormalizeSliceSpacing(2.0, mode="nearest")(img).flatten().tolist() == [2, 10]


def test_the_same_distance_changes_nothing_even_with_float32_spacings() -> None:
    img = MetaTensor(torch.rand(1, 3, 4, 9), affine=torch.diag(torch.tensor([1, 1, float(np.float32(0.7)), 1])))
    out = NormalizeSliceSpacing(0.7)(img)
    assert torch.equal(out.as_tensor(), img.as_tensor())
    assert torch.equal(out.affine, img.affine)


def test_half_a_slice_too_many_rounds_up_whatever_the_last_bit_of_the_spacing() -> None:
    for spacing in (0.7, float(np.float32(0.7)), 0.7 * (1 - 1e-7)):
        assert NormalizeSliceSpacing(1.4, native_distance=spacing)(torch.zeros(1, 1, 1, 5)).shape[3] == 3


def test_one_slice_and_a_distance_wider_than_the_volume() -> None:
    single = MetaTensor(torch.full((1, 2, 2, 1), 5.0), affine=torch.eye(4))
    assert NormalizeSliceSpacing(0.25)(single).flatten(0, 2).tolist() == [[5.0] * 4] * 4
    wide = NormalizeSliceSpacing(50.0)(MetaTensor(torch.tensor([1.0, 3]).reshape(1, 1, 1, 2), affine=torch.eye(4)))
    assert wide.flatten().tolist() == [2.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_linear_keeps_float_dtypes_and_makes_float32_of_integers(dtype: torch.dtype) -> None:
    resample = NormalizeSliceSpacing(1.0, native_distance=2.0)
    assert resample(torch.zeros(1, 2, 2, 2, dtype=dtype)).dtype == dtype
    assert resample(np.zeros((1, 2, 2, 2), np.int16)).dtype == np.float32


@pytest.mark.parametrize("nearest", [True, False])
def test_invertd_takes_predictions_back_through_a_loader(nearest: bool, grid: Any) -> None:
    affine = grid(np.random.default_rng(3), (0.7, 0.9, 5.0))
    image = MetaTensor(torch.rand(1, 6, 5, 9), affine=torch.from_numpy(affine))
    label = MetaTensor((image.as_tensor() > 0.5).to(torch.uint8), affine=image.affine)
    pre = Compose(
        [
            EnsureTyped(["image", "label"]),
            Flipd(["image", "label"], 2),
            NormalizeSliceSpacingd(["image", "label"], 2.0, mode=["linear", "nearest"]),
            SpatialPadd(["image", "label"], (8, 8, 32)),
        ]
    )
    batch = next(iter(DataLoader(Dataset([{"image": image, "label": label}], pre), batch_size=1, num_workers=0)))
    assert batch["image"].shape[2:] == (8, 8, 32) and batch["label"].dtype == torch.uint8
    batch["pred"] = torch.cat([1 - batch["image"], batch["image"]], 1)
    post = Compose([Invertd(["pred", "label"], pre, orig_keys=["image", "label"], nearest_interp=nearest)])
    out = next(post(item) for item in decollate_batch(batch))
    assert out["pred"].shape == (2, 6, 5, 9)
    assert torch.equal(out["pred"].affine, torch.from_numpy(affine))
    assert torch.equal(out["label"].as_tensor(), label.as_tensor())
    fine = (out["pred"][1] - image[0]).abs().mean()
    assert fine < 0.25


def test_compose_inverse_uses_each_key_s_own_mode() -> None:
    affine = torch.diag(torch.tensor([1, 1, 4.0, 1]))
    data = {
        "image": MetaTensor(torch.rand(1, 3, 3, 6), affine=affine),
        "label": MetaTensor(torch.randint(0, 9, (1, 3, 3, 6)), affine=affine),
    }
    chain = Compose([NormalizeSliceSpacingd(["image", "label"], 1.5, mode=("linear", "nearest"))])
    back = chain.inverse(chain(data))
    assert torch.equal(back["label"].as_tensor(), data["label"].as_tensor())
    assert not torch.equal(back["image"].as_tensor(), data["image"].as_tensor())
    assert back["image"].shape == data["image"].shape


def test_inverse_leaves_its_input_alone() -> None:
    resample = NormalizeSliceSpacing(2.0)
    out = resample(MetaTensor(torch.rand(1, 2, 2, 5), affine=torch.eye(4)))
    values, operations = out.as_tensor().clone(), list(out.applied_operations)
    resample.inverse(out)
    assert torch.equal(out.as_tensor(), values)
    assert out.applied_operations == operations


def test_a_plain_array_needs_its_native_distance() -> None:
    with pytest.raises(PrepareError, match=r"a ndarray carries no affine.*native_distance"):
        NormalizeSliceSpacing(1.0)(np.zeros((1, 2, 2, 2)))
    assert NormalizeSliceSpacing(1.0, "sagittal", native_distance=3.0)(np.zeros((1, 2, 2, 2))).shape == (1, 6, 2, 2)


@pytest.mark.parametrize("distance", [0, -1.0, float("nan"), float("inf")])
def test_distances_that_are_none(distance: float) -> None:
    with pytest.raises(ConfigError, match="distance must be a positive number"):
        NormalizeSliceSpacing(distance)


def test_other_refusals() -> None:
    with pytest.raises(ConfigError, match=r"mode must be 'linear' or 'nearest'. Received: 'cubic'"):
        NormalizeSliceSpacingd(["a", "b"], 1.0, mode=["nearest", "cubic"])
    with pytest.raises(PrepareError, match=r"\(C, X, Y, Z\) is needed. Received: shape \(2, 2, 2\)"):
        NormalizeSliceSpacing(1.0)(MetaTensor(torch.zeros(2, 2, 2)))
    flat = MetaTensor(torch.zeros(1, 2, 2, 2), affine=torch.diag(torch.tensor([1.0, 1, 0, 1])))
    with pytest.raises(PrepareError, match=r"must be positive. Received: 0.0 mm"):
        NormalizeSliceSpacing(1.0)(flat)


def test_inverse_refuses_what_it_cannot_bring_back() -> None:
    resample = NormalizeSliceSpacing(2.0)
    out = resample(MetaTensor(torch.rand(1, 2, 2, 9), affine=torch.eye(4)))
    with pytest.raises(PrepareError, match="Received: Tensor"):
        resample.inverse(out.as_tensor())
    with pytest.raises(PrepareError, match=r"Axis 2 must have the 5 slices .* Received: 4"):
        resample.inverse(out[..., :4])
