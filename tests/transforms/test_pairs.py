"""What every pair of transforms promises: kinds kept, inputs left alone, usable and picklable in any Compose."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureTyped, MapTransform, Transform
from monai.utils import TransformBackends

from atso_monai.transforms import (
    FuseViews,
    FuseViewsd,
    KeepComponents,
    KeepComponentsd,
    MapLabels,
    MapLabelsd,
    NormalizeSliceSpacing,
    NormalizeSliceSpacingd,
    SliceView,
    SliceViewd,
)


@dataclass(frozen=True)
class Pair:
    array: Transform
    dictionary: MapTransform
    stacked: bool = False  # the array version takes a sequence


def dictionary(cls: type, **kwargs: Any) -> MapTransform:
    return cls(["label", "absent"], allow_missing_keys=True, **kwargs)


PAIRS = [
    Pair(
        NormalizeSliceSpacing(2.0, mode="nearest", native_distance=3.0),
        dictionary(NormalizeSliceSpacingd, distance=2.0, mode="nearest", native_distance=3.0),
    ),
    Pair(SliceView("coronal", 3), dictionary(SliceViewd, view="coronal", context=3)),
    Pair(FuseViews("vote"), dictionary(FuseViewsd, mode="vote", output_key="label"), stacked=True),
    Pair(FuseViews("mean"), dictionary(FuseViewsd, mode="mean", output_key="label"), stacked=True),
    Pair(KeepComponents(), dictionary(KeepComponentsd)),
    Pair(MapLabels({0: 0, 1: 2, 2: 1}), dictionary(MapLabelsd, mapping={0: 0, 1: 2, 2: 1})),
]
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: type(pair.array).__name__)


def labels(dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, (1, 5, 6, 7)).astype(dtype)


def call(pair: Pair, img: Any) -> Any:
    return pair.array([img, img]) if pair.stacked else pair.array(img)


@every_pair
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64", "float32", "float64"])
def test_kind_values_and_input(pair: Pair, as_kind: Any, dtype: str) -> None:
    img = as_kind(labels(dtype))
    out = call(pair, img)
    assert type(out) is type(img)
    assert np.array_equal(np.asarray(img), labels(dtype))
    reference = call(pair, labels("int64"))
    assert np.allclose(np.asarray(out).astype("float64"), reference.astype("float64"))
    mean = isinstance(pair.array, FuseViews) and pair.array.mode == "mean"
    assert mean or np.asarray(out).dtype == dtype


@every_pair
def test_result_shares_no_memory_to_write_to(pair: Pair, as_kind: Any) -> None:
    img = as_kind(labels())
    out = call(pair, img)
    out[...] = 77
    assert np.array_equal(np.asarray(img), labels())


@every_pair
@pytest.mark.parametrize("layout", ["fortran", "mirrored", "big_endian", "read_only", "permuted"])
def test_any_memory_layout(pair: Pair, layout: str) -> None:
    img = labels("int16")
    if layout == "big_endian":
        img = img.astype(">i2")
    if layout == "read_only":
        img.setflags(write=False)
    if layout == "permuted":
        img = np.ascontiguousarray(img.transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
    if layout == "mirrored":
        img = np.ascontiguousarray(img[:, ::-1, :, ::-1])[:, ::-1, :, ::-1]
    if layout == "fortran":
        img = np.asfortranarray(img)
    assert np.array_equal(call(pair, img), call(pair, labels("int16")))


@every_pair
def test_metadata_is_kept_and_the_inputs_left_alone(pair: Pair) -> None:
    meta = {"filename_or_obj": "case.nii.gz", "pixdim": np.array([1, 1, 1, 3.0])}
    img = MetaTensor(torch.from_numpy(labels()), affine=torch.diag(torch.tensor([1, 1, 3.0, 1])), meta=meta)
    before = pickle.dumps((img.meta, img.applied_operations))
    out = call(pair, img)
    assert out.meta["filename_or_obj"] == "case.nii.gz"
    out.meta["pixdim"][:] = -1
    assert pickle.dumps((img.meta, img.applied_operations)) == before


@every_pair
def test_array_and_dictionary_agree_in_a_compose(pair: Pair, as_kind: Any) -> None:
    img = as_kind(labels())
    data = {"label": img, "id": "case"}
    out = Compose([pair.dictionary])(data)
    assert type(out["label"]) is type(img)
    assert np.array_equal(np.asarray(out["label"]), np.asarray(call(pair, img)))
    assert out["id"] == "case" and data["label"] is not out["label"]


@every_pair
def test_missing_keys(pair: Pair) -> None:
    assert Compose([pair.dictionary])({"id": "case"}) == {"id": "case"}
    strict = pickle.loads(pickle.dumps(pair.dictionary))
    strict.allow_missing_keys = False
    with pytest.raises(KeyError, match="absent"):
        strict({"label": labels()})


@every_pair
def test_pickled_twins_do_the_same(pair: Pair) -> None:
    array, mapped = pickle.loads(pickle.dumps((pair.array, pair.dictionary)))
    twin = Pair(array, mapped, pair.stacked)
    assert np.array_equal(call(twin, labels()), call(pair, labels()))
    assert np.array_equal(mapped({"label": labels()})["label"], pair.dictionary({"label": labels()})["label"])


@every_pair
@pytest.mark.usefixtures("untracked")
def test_without_tracked_metadata(pair: Pair) -> None:
    img = MetaTensor(torch.from_numpy(labels()), affine=torch.diag(torch.tensor([1, 1, 3.0, 1])))
    out = call(pair, img)
    assert type(out) is torch.Tensor
    assert np.array_equal(out.numpy(), call(pair, labels()))
    chained = Compose([EnsureTyped("label"), pair.dictionary])({"label": labels()})["label"]
    assert type(chained) is torch.Tensor
    assert np.array_equal(chained.numpy(), out.numpy())


@every_pair
def test_backends_are_named(pair: Pair) -> None:
    assert set(pair.array.backend) == {TransformBackends.TORCH, TransformBackends.NUMPY}
    assert pair.dictionary.backend == pair.array.backend
