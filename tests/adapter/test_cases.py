from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.adapter import cases
from atso_monai.errors import ConfigError, PrepareError

AFFINE = np.array([[-1.0, 0, 0, 7], [0, 2.0, 0, -3], [0, 0, 1.5, 0], [0, 0, 0, 1]])


def write(path: Path, array: Any, affine: Any = AFFINE) -> str:
    nib.save(nib.Nifti1Image(np.asarray(array), affine), path)
    return str(path)


@pytest.fixture
def listed(tmp_path: Path) -> list[dict[str, Any]]:
    image = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    items = []
    for name in ("a b#1", "$c", "d"):
        label = (image % 3).astype(np.uint8)
        items.append(
            {
                "id": name,
                "image": write(tmp_path / f"{name}.nii.gz", image),
                "label": write(tmp_path / f"{name}_label.nii.gz", label),
            }
        )
    return items


def test_items_of_a_file(listed: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "datalist.json"
    file.write_text(json.dumps(listed), encoding="utf-8")
    found = cases(str(file), image_key="img", label_key="seg")
    assert found == [{"img": item["image"], "seg": item["label"]} for item in listed]
    bare = cases([{"id": "x", "image": "x.nii.gz"}])
    assert bare == [{"image": "x.nii.gz", "atso_id": "x"}]


def test_labels_become_classes_on_the_grid_of_the_image(listed: list[dict[str, Any]], tmp_path: Path) -> None:
    label = nib.load(listed[0]["label"]).get_fdata()
    listed[0]["label_map"] = {"1": 0, "2": 1}
    moved = AFFINE.copy()
    moved[0, 3] += 1e-4
    listed[1]["label"] = write(tmp_path / "moved.nii.gz", label, moved)
    first, second, third = cases(listed, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(np.asarray(nib.load(first["label"]).dataobj), label == 2)
    np.testing.assert_array_equal(np.asarray(nib.load(second["label"]).dataobj), label)
    for item in (first, second):
        assert np.array_equal(nib.load(item["label"]).affine, nib.load(item["image"]).affine)
        assert Path(item["label"]).parent == tmp_path / "cache" / "labels"
    assert third["label"] == listed[2]["label"]


def test_a_label_of_another_shape_is_refused(listed: list[dict[str, Any]], tmp_path: Path) -> None:
    listed[0]["label"] = write(tmp_path / "small.nii.gz", np.zeros((3, 5, 6), np.uint8))
    with pytest.raises(PrepareError, match=r"small.nii.gz has the shape \(3, 5, 6\)"):
        cases(listed, cache_dir=tmp_path)


def test_held_out_cases_are_in_validation_alone(listed: list[dict[str, Any]]) -> None:
    assert [i["image"] for i in cases(listed, held_out=1)] == [i["image"] for i in listed[1:]]
    assert [i["image"] for i in cases(listed, held_out=1, validation=True)] == [listed[0]["image"]]
    assert cases(listed, validation=True) == []
    with pytest.raises(ConfigError, match="only 3 labelled cases"):
        cases(listed, held_out=3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_those_of_the_ras_volume(listed: list[dict[str, Any]], axis: int) -> None:
    ras = nib.as_closest_canonical(nib.load(listed[0]["image"]))
    found = cases(listed[:1], slice_axis=axis)
    assert len(found) == ras.shape[axis]
    np.testing.assert_array_equal(np.stack([i["image"] for i in found], axis), ras.get_fdata())
    assert (found[0]["image"].dtype, found[0]["label"].dtype) == (np.float32, np.uint8)


def test_slices_as_they_are_stored(listed: list[dict[str, Any]]) -> None:
    stored = nib.load(listed[0]["image"]).get_fdata()
    turned, plain = cases(listed[:1], slice_axis=1), cases(listed[:1], slice_axis=1, slice_axcodes=None)
    np.testing.assert_array_equal(plain[2]["image"], stored[:, 2])
    np.testing.assert_array_equal(turned[2]["image"], stored[::-1, 2])  # stored from right to left
    np.testing.assert_array_equal(plain[2]["label"], nib.load(listed[0]["label"]).get_fdata()[:, 2])
