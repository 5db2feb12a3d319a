"""What is checked and found out before the first step: files, sizes, the network, the disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser

from atso_monai.adapter import SECTION
from atso_monai.bundle import engine_id
from atso_monai.cohort import Cohort, require_sound
from atso_monai.engine.orders import bundle_config, step_config
from atso_monai.engine.plan import Plan
from atso_monai.engine.workplace import Workplace
from atso_monai.errors import AtsoError, ConfigError
from atso_monai.files import hash_json
from atso_monai.label_maps import LabelTable, load_table
from atso_monai.picture_file import is_picture
from atso_monai.volume_file import VolumeFacts, inspect_volume

Facts = Mapping[Path, VolumeFacts]


def content_hashes(
    cohort: Cohort, facts_dir: Path | None, progress: Callable[[int, int], None]
) -> tuple[dict[Path, str], Facts]:
    """Check a cohort and hash what its files hold (voxels and affine).

    Raises:
        CohortError: with all problems of the cohort in one report.
    """
    require_sound(cohort, facts_dir, progress)
    files = [
        path
        for case in (*cohort.labelled, *cohort.reference, *cohort.test)
        for path in (case.image, case.label, case.truth)
        if path is not None
    ]
    facts = {path: inspect_volume(path, facts_dir) for path in files}
    return {path: hash_json([fact.content, fact.affine]) for path, fact in facts.items()}, facts


def training_size(place: Workplace, facts: Facts) -> tuple[int, ...] | None:
    """Size that holds every volume to train on, on the bundle's spacing, for bundles whose ``size`` is open.

    Slices of one batch must be of one size. None where the bundle sets the size itself.
    """
    config = bundle_config(place, "train")
    if "size" not in config or SECTION in config or config["size"] is not None:
        return None
    cases = (*place.cohort.labelled, *place.cohort.reference)
    shapes = np.array([_canonical_shape(facts[case.image], config.get("spacing")) for case in cases])
    return tuple(int(math.ceil(n / 8) * 8) for n in shapes.max(axis=0))


def _canonical_shape(facts: VolumeFacts, spacing: Sequence[float | None] | None) -> list[float]:
    """Voxels along the RAS axes after resampling."""
    orientation = nib.orientations.io_orientation(np.array(facts.affine))
    shape, steps = [0.0] * 3, [0.0] * 3
    for stored, (axis, _) in enumerate(orientation):
        shape[int(axis)], steps[int(axis)] = facts.shape[stored], facts.spacing[stored]
    wanted = [w or s for w, s in zip(spacing or [None] * 3, steps, strict=True)]
    return [n * s / w for n, s, w in zip(shape, steps, wanted, strict=True)]


def require_hounsfield(place: Workplace, facts: Facts) -> None:
    """Refuse a window in Hounsfield units for scans that have none.

    Raises:
        ConfigError: when the window begins below 0 and no scan to train on has a value there.
    """
    config = bundle_config(place, "train")
    intensity = {} if SECTION in config else config.get("intensity") or {}
    cases = (*place.cohort.labelled, *place.cohort.reference)
    lowest = min(facts[case.image].minimum for case in cases)
    if str(intensity.get("_target_", "")).endswith("Window") and float(intensity.get("low", 0)) < 0 <= lowest:
        raise ConfigError(
            f"The bundle {place.bundle.name} expects Hounsfield units (from {intensity['low']}), but no scan has "
            f"values below {lowest:g}. For MR take the overlay: --overlay mr, or overlays=['mr'] with its settings."
        )


def require_devices(devices: Sequence[str]) -> None:
    """Refuse devices that this machine lacks; asks the driver only and claims no GPU memory.

    Raises:
        ConfigError: names the device and how many GPUs there are.
    """
    for name in devices:
        try:
            device = torch.device(name)
        except (RuntimeError, TypeError):
            raise ConfigError(f"devices: {name!r} is no device. Take names such as cpu or cuda:0.") from None
        count = torch.cuda.device_count()
        if device.type == "cuda" and (device.index or 0) >= count:
            raise ConfigError(
                f"devices: {name!r} is not on this machine, which has {count} CUDA GPU{'' if count == 1 else 's'}. "
                "Take devices that are there, or leave devices out."
            )


def require_reduction(name: str | Path | None, plan: Plan, cohort: Cohort) -> LabelTable | None:
    """The table of reduced classes, where a step of the plan needs one.

    Raises:
        ConfigError: when it is missing, or does not give each class of the cohort a reduced class.
    """
    if not any(step.reduced for step in plan.steps):
        return None
    if name is None:
        raise ConfigError("A variant has reduced classes, so reduction must name a label map. Received: None.")
    table = load_table(name)
    if sorted(table.mapping) != sorted(cohort.labels) or not table.groups:
        raise ConfigError(
            f"reduction {name} must give each of the classes {sorted(cohort.labels)} of {cohort.name!r} a reduced "
            f"class. It has the values {sorted(table.mapping)}."
        )
    return table


def require_snapshots(place: Workplace, plan: Plan) -> None:
    """Refuse a snapshot of an epoch that its training does not reach.

    Raises:
        ConfigError: names the epoch, and the training.
    """
    wanted = {step.start for step in plan.steps if step.snapshot}
    if place.keep_snapshot:
        wanted |= {step.makes for step in plan.steps if step.kind == "train" and step.generation == "0"}
    for step in (one for one in plan.steps if one.makes in wanted):
        config = step_config(place, step, place.folder(step.makes))
        parser, name = ConfigParser(config), engine_id(config, "snapshot_epoch")
        if name in parser and not 0 < (epoch := int(parser.get_parsed_content(name))) <= step.epochs:
            raise ConfigError(
                f"start: snapshot needs the weights of {step.makes} after epoch {epoch} (snapshot_epoch of "
                f"{place.bundle.name}), but it has {step.epochs} epochs. Give it more epochs, take start: scratch, or "
                "set snapshot_epoch with --overrides '{train: {snapshot_epoch: 1}}'."
            )


def require_same_kind(place: Workplace, facts: Facts) -> None:
    """Refuse pictures for a bundle of volumes, and volumes for a bundle of pictures.

    Raises:
        ConfigError: names the first image of the other kind; or for a class to ignore, which volumes do not have.
    """
    wanted = place.label_suffix == ".png"
    for path in facts:
        if is_picture(path) != wanted:
            found, other = ("volume", "pictures") if wanted else ("picture", "volumes")
            foreign = SECTION in bundle_config(place, "train")  # its own kind of images plays no part
            rule = "was not written for the engine, which runs such bundles on" if foreign else "is for"
            raise ConfigError(f"The bundle {place.bundle.name} {rule} {other}. Received: a {found}, {path}.")
    if place.cohort.ignore is not None and not wanted:
        raise ConfigError(
            f"The cohort {place.cohort.name!r} ignores the class {place.cohort.ignore}, but the bundle "
            f"{place.bundle.name} learns from every voxel. Give these voxels a class by label_map."
        )


def try_network(place: Workplace, overlay: str = "", reduced: bool = False) -> None:
    """Make the networks of both configurations and pass something empty through that of the predictions.

    Args:
        place: the run's workplace.
        overlay: a further overlay, which a variant asks for.
        reduced: whether the network has the reduced classes.

    Raises:
        ConfigError: when one cannot be made, the two differ, or the prediction does not fit the number of classes.
    """
    shapes, labels = {}, place.classes.names(reduced)
    for kind in ("train", "predict"):
        parser = ConfigParser(bundle_config(place, kind, overlay, reduced))
        try:
            network = parser.get_parsed_content("network_def").eval()
            classes = _classes(place, parser, network) if kind == "predict" else len(labels)
        except AtsoError:
            raise
        except Exception as error:
            raise ConfigError(f"The network of {place.bundle.name} ({kind}) cannot be used: {_root(error)}") from error
        shapes[kind] = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        if classes != len(labels):
            raise ConfigError(
                f"The predictions of {place.bundle.name} tell {classes} classes apart, but the cohort has "
                f"{len(labels)} ({', '.join(labels.values())}). Change the network's out_channels, or map the labels "
                "(label_map, label_names)."
            )
    if shapes["train"] != shapes["predict"]:
        raise ConfigError(
            f"train.yaml and inference.yaml of {place.bundle.name} declare different networks: the weights of one do "
            "not fit the other. Give both the same network_def."
        )


def _classes(place: Workplace, parser: ConfigParser, network: torch.nn.Module) -> int:
    """Classes that the inferer tells apart with a new network, background included; one channel is one organ."""
    inferer = parser.get_parsed_content("inferer")
    with torch.no_grad():
        if place.label_suffix == ".png":
            output = inferer(torch.zeros(1, int(parser.get_parsed_content("context")), 64, 64), network)
        else:
            output = inferer(torch.zeros(1, 1, 64, 64, 3), {"axial": network})
    return max(int(output.shape[1]), 2)


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def cache_bytes(cohort: Cohort, facts: Facts) -> int:
    """About what prepared volumes take: image (2 bytes) and label (1 byte), once for each view's order of slices."""
    images = sum(math.prod(facts[c.image].shape) for c in (*cohort.labelled, *cohort.reference, *cohort.test))
    return images * 3 * 3


def bytes_needed(cohort: Cohort, facts: Facts, steps: int) -> int:
    """A cautious guess of what a run writes: prepared volumes, labels of every step, weights."""
    return cache_bytes(cohort, facts) + steps * 20_000_000
