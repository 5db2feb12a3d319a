"""A person's own folders of images and labels in place of a bundle's data set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atso_monai.errors import ConfigError


def cohort_settings(images: Path, labels: Path | None, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Settings that put the folders in the place of the bundle's cohort, and the overlays that fit the scans.

    The pairing of images and labels is shown before it is used.
    """
    from atso_monai.cohort import pair_folders, pairing_table
    from atso_monai.prepare.choose import coarser_spacing, modality, ras_spacing
    from atso_monai.volume_file import inspect_volume

    if labels is None:
        raise ConfigError("--images needs --labels beside it: a folder with labels for at least some of the images.")
    pairing = pair_folders(images, labels)
    print(pairing_table(pairing), file=sys.stderr)
    cohort = {
        "_target_": "atso_monai.cohort.folder_cohort",
        "_mode_": "callable",
        "images": images,
        "labels": labels,
        **{name: f"@{name}" for name in ("labelled", "reference", "test", "folds", "label_names", "label_map")},
        "seed": "@split_seed",
    }
    own: dict[str, Any] = {"cohort": cohort}
    own |= {name: None for name in ("labelled", "reference") if name not in values}
    own |= {"test": 0} if "test" not in values else {}
    first = inspect_volume(pairing.pairs[0].image)
    kind, coarse = modality(first), coarser_spacing(first)
    at = (
        f"{coarse:g} mm (larger scans are trained on coarser; labels come out on their own grid)"
        if coarse
        else "their own spacing"
    )
    print(f"scans taken for {kind.upper()}, trained on at {at}, going by {first.path}", file=sys.stderr)
    own.setdefault("overrides", values.get("overrides") or _grid(coarse, ras_spacing(first)))
    return own, [] if kind == "ct" else ["mr"]


def _grid(coarse: float | None, spacing: list[float]) -> dict[str, Any]:
    """Overrides of the bundle's configurations for a spacing, and for what the augmentation's millimetres mean."""
    if coarse is None:
        return {"train": {"voxel_size": spacing}}
    cube = [coarse] * 3
    return {"train": {"voxel_size": cube, "spacing": cube}, "inference": {"spacing": cube}}
