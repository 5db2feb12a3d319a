"""The engine's lists of cases as the items that the datasets of MONAI bundles take."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from atso_monai.errors import ConfigError, PrepareError
from atso_monai.prepare import write_label_on
from atso_monai.prepare.datalist import load_datalist
from atso_monai.prepare.labels import class_of_value, map_labels
from atso_monai.volume_file import read_volume, read_with_facts

ID = "atso_id"
"""Key of the case id in an item to predict."""
_CLOSE = 1e-6


def cases(
    datalist: str | Sequence[Mapping[str, Any]],
    *,
    cache_dir: str | Path = ".",
    image_key: str = "image",
    label_key: str = "label",
    slice_axis: int | None = None,
    slice_axcodes: str | None = "RAS",
    held_out: int = 0,
    validation: bool = False,
) -> list[dict[str, Any]]:
    """Items ``{image: path, label: path}`` of cases with labels, ``{image: path, "atso_id": id}`` of others.

    Label files hold class indices on the very grid of their image: where a given label file does not, a copy that does
    is written and named instead.

    Args:
        datalist: a file as :func:`atso_monai.prepare.load_datalist` reads it, or its content.
        cache_dir: folder for copies of label files.
        image_key: key of the image in an item.
        label_key: key of the label in an item.
        slice_axis: None, or the axis (0, 1, 2) along which each volume is cut into items that hold 2D arrays.
        slice_axcodes: orientation that a volume is turned to before it is cut; None cuts it as it is stored.
        held_out: how many cases from the front, where the labelled set stands, belong to validation.
        validation: whether to return those, or all others.

    Raises:
        ConfigError: when no case would remain for training.
        PrepareError: names a file that cannot be read.
    """
    found = load_datalist(datalist) if isinstance(datalist, (str, Path)) else tuple(datalist)
    if held_out and len(found) <= held_out:
        raise ConfigError(
            f"validation_cases is {held_out}, but there are only {len(found)} labelled cases to train on."
        )
    chosen = found[:held_out] if validation else found[held_out:]
    items = [_item(case, Path(cache_dir), image_key, label_key) for case in chosen]
    if slice_axis is None:
        return items
    return [piece for item in items for piece in _slices(item, image_key, label_key, slice_axis, slice_axcodes)]


def _item(case: Mapping[str, Any], cache_dir: Path, image_key: str, label_key: str) -> dict[str, Any]:
    image = str(case["image"])
    if case.get("label") is None:
        return {image_key: image, ID: str(case["id"])}
    return {image_key: image, label_key: _label(image, str(case["label"]), case.get("label_map"), cache_dir)}


def _label(image: str, label: str, label_map: Mapping[str, int] | None, cache_dir: Path) -> str:
    if label_map is None and _same_grid(image, label):
        return label
    name = hashlib.sha256(json.dumps([os.path.abspath(label), label_map]).encode()).hexdigest()[:20]
    target = cache_dir / "labels" / f"{name}.nii.gz"
    if not target.is_file():
        array, _, facts = read_with_facts(label)
        voxels, affine = read_volume(image)
        if array.shape != voxels.shape:
            raise PrepareError(f"{label} has the shape {array.shape}, but its image {image} {voxels.shape}.")
        write_label_on(target, map_labels(array, class_of_value(facts.values, label_map)), affine)
    return str(target)


def _same_grid(image: str, label: str) -> bool:
    """Whether two NIfTI files have the same grid to the last digit that matters; other files are never said to."""
    if not all(path.endswith((".nii", ".nii.gz")) for path in (image, label)):
        return False
    one, other = nib.load(image), nib.load(label)
    return one.shape == other.shape and bool(np.allclose(one.affine, other.affine, atol=_CLOSE, rtol=0))


def _slices(
    item: Mapping[str, Any], image_key: str, label_key: str, axis: int, axcodes: str | None
) -> list[dict[str, Any]]:
    """2D items, float32 image and uint8 label, of all slices of a volume."""
    arrays = {key: _turned(item[key], axcodes) for key in (image_key, label_key) if key in item}
    types = {image_key: np.float32, label_key: np.uint8}
    count = arrays[image_key].shape[axis]
    return [
        {key: np.ascontiguousarray(array.take(index, axis), dtype=types[key]) for key, array in arrays.items()}
        for index in range(count)
    ]


def _turned(path: str, axcodes: str | None) -> Any:
    array, affine = read_volume(path)
    if axcodes is None:
        return array
    now, wanted = nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(axcodes)
    return nib.orientations.apply_orientation(array, nib.orientations.ornt_transform(now, wanted))
