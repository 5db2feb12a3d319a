"""A person's own folders of images and labels in place of a bundle's data set."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atso_monai.errors import ConfigError, PrepareError

if TYPE_CHECKING:
    from atso_monai.volume_file import VolumeFacts


def cohort_settings(
    root: Path | None, images: Path, labels: Path | None, values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Settings that put the folders in the place of a bundle's cohort, and its overlays that fit the scans.

    Without ``root``, the bundle's folder, nothing is chosen for the scans: a bundle of other people has its own grid.
    The pairing of images and labels is shown before it is used.
    """
    from atso_monai.cohort import pair_folders, pairing_table

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
    if "label_names" not in values and "label_map" not in values:
        own |= _declared(_readable(pair.label for pair in pairing.pairs if pair.label is not None))
    first = next(iter(_readable(pair.image for pair in pairing.pairs)), None)
    return (own, []) if root is None or first is None else _fitting(root, own, first, values)


def _readable(files: Iterable[Path]) -> Iterator[VolumeFacts]:
    """Facts of the files that can be read; the others are told by the checks of the run, all in one report."""
    from atso_monai.volume_file import inspect_volume

    for file in files:
        with contextlib.suppress(PrepareError):
            yield inspect_volume(file)


def _fitting(
    root: Path, own: dict[str, Any], first: VolumeFacts, values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The settings, with those of the bundle that fit scans like the first one, and its overlays that do."""
    from atso_monai.prepare.choose import coarser_spacing, modality, ras_spacing

    kind, coarse = modality(first), coarser_spacing(first)
    at = (
        f"{coarse:g} mm (larger scans are trained on coarser; labels come out on their own grid)"
        if coarse
        else "their own spacing"
    )
    print(f"scans taken for {kind.upper()}, trained on at {at}, going by {first.path}", file=sys.stderr)
    own["overrides"] = _overrides(root, _grid(coarse, ras_spacing(first)), values.get("overrides"))
    fits = kind == "mr" and (root / "configs" / "train_mr.yaml").is_file()
    return own, ["mr"] if fits else []


def _declared(labels: Iterable[VolumeFacts]) -> dict[str, Any]:
    """A class for each value of the label files, where the person declared none; one value alone is the foreground."""
    found = sorted({value for facts in labels for value in facts.values or () if value > 0})
    if found in ([], [1]):
        return {}
    names = {index: f"label {value}" for index, value in enumerate(found, 1)}
    shown = ", ".join(f"{value} -> class {index}" for index, value in enumerate(found, 1))
    print(f"label values found: {shown} (name them by --label_names '{{1: spleen, ...}}')", file=sys.stderr)
    return {"label_names": names, "label_map": {value: index for index, value in enumerate(found, 1)}}


def _overrides(root: Path, chosen: dict[str, Any], asked: Any) -> Any:
    """What was chosen for the scans, where the bundle has such ids, under what the person asked for."""
    if asked is not None and not isinstance(asked, Mapping):
        return asked  # the engine says what is wrong with it
    from atso_monai.bundle import read_config

    merged: dict[str, Any] = {}
    for name in ("train", "inference"):
        known = read_config(root, name)
        fitting = {key: value for key, value in chosen.get(name, {}).items() if key in known}
        merged[name] = {**fitting, **((asked or {}).get(name) or {})}
    return {**(asked or {}), **merged}


def _grid(coarse: float | None, spacing: list[float]) -> dict[str, Any]:
    """Overrides of the bundle's configurations for a spacing, and for what the augmentation's millimetres mean."""
    if coarse is None:
        return {"train": {"voxel_size": spacing}}
    cube = [coarse] * 3
    return {"train": {"voxel_size": cube, "spacing": cube}, "inference": {"spacing": cube}}
