"""Labels of new scans from a trained bundle, without the engine that trained it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow
from tqdm import tqdm

from atso_monai._dicom_series import is_dicom_folder
from atso_monai.adapter import SECTION, own_code, own_workers
from atso_monai.bundle import engine_id, read_config, set_ids
from atso_monai.errors import ConfigError, PrepareError, cause_of
from atso_monai.files import read_json
from atso_monai.picture_file import PICTURE_SUFFIXES, is_picture
from atso_monai.prepare.datalist import is_volume_file
from atso_monai.volume_file import SUFFIXES, case_id, inspect_volume
from atso_monai.volume_table import VolumeTable

Each = Callable[[Mapping[str, str], Path], None]
"""Takes a scan (its ``id`` and ``image``) and its label file."""


def predict(
    model: str | Path,
    images: Sequence[str | Path],
    to: str | Path,
    *,
    device: str | None = None,
    each: Each | None = None,
) -> list[Path]:
    """Label scans: one ``<name>.nii.gz`` per scan, on the scan's own grid with its own affine.

    Beside them, ``volumes.csv`` says how large each class is (:mod:`atso_monai.volume_table`), scan by scan.
    A bundle whose ``label_suffix`` is ``.png`` takes pictures and writes one ``<name>.png`` per picture.

    Args:
        model: a run folder, or a bundle folder with ``configs/inference.yaml`` and ``models/``.
        images: volume files (or pictures), or folders of them.
        to: folder for the labels; files that are there already are never replaced.
        device: e.g. ``cuda:1``; None takes the first GPU if there is one.
        each: called with every scan (its ``id`` and ``image``) and its label as soon as that is written.

    Returns:
        The labels written, in the order of the images.

    Raises:
        ConfigError: when there is no bundle.
        PrepareError: when there are no images, two have one name, one cannot be read, or a label is there already.
        CheckpointError: when weights are missing or do not fit.
    """
    bundle, folder = bundle_folder(Path(model)), Path(to).absolute()
    suffix = str(read_config(bundle, "inference").get("label_suffix", ".nii.gz"))
    items = scans(images, suffix)
    targets = [folder / f"{item['id']}{suffix}" for item in items]
    if existing := [path for path in targets if path.exists()]:
        raise PrepareError(
            f"{len(existing)} of {len(targets)} labels are there already, first {existing[0]}. Nothing was written. "
            "Choose another folder, or move them away."
        )
    pictures = suffix == ".png"
    table = None if pictures else VolumeTable(folder, class_names(bundle), [item["id"] for item in items])
    _require_readable(items, axes=2 if pictures else 3)
    written = _Written(dict(zip(targets, items, strict=True)), table, each)
    config = str(bundle / "configs" / "inference.yaml")
    with own_code(bundle):
        _run(config, bundle, items, folder, device, written)
    written()  # some bundles write at the end
    return targets


class _Written:
    """Called again and again, measures each label and hands it on as soon as its file is there.

    Args:
        waiting: the scan of each label file.
        table: where volumes are written; None for pictures.
        each: see :func:`predict`.
    """

    def __init__(self, waiting: dict[Path, Mapping[str, str]], table: VolumeTable | None, each: Each | None) -> None:
        self._waiting, self._table, self._each = waiting, table, each

    def __call__(self) -> None:
        for label in [path for path in self._waiting if path.is_file()]:
            item = self._waiting.pop(label)
            if self._table is not None:
                self._table.add(label)
            if self._each is not None:
                self._each(item, label)


def _run(
    config: str,
    bundle: Path,
    items: Sequence[Mapping[str, str]],
    folder: Path,
    device: str | None,
    written: Callable[[], None],
) -> None:
    workflow = ConfigWorkflow(config, logging_file=False, workflow_type="infer")
    values: dict[str, Any] = {"bundle_root": bundle, "datalist": tuple(items), "output_dir": folder, "cache_dir": None}
    if device is not None:
        values["device"] = usable_device(device)
    set_ids(workflow.parser.get(), values, config)
    try:
        workflow.initialize()
        evaluator = engine_id(workflow.parser.get(), "evaluator")
        engine = workflow.parser.get_parsed_content(evaluator)
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: written())
        _show_progress(engine, items)
        with own_workers(SECTION in workflow.parser.get()):
            workflow.run()
    except Exception as error:
        if (ours := cause_of(error)) is None:
            raise
        raise ours from None
    finally:
        workflow.finalize()


def bundle_folder(model: Path) -> Path:
    """The bundle of a run folder, or the folder itself where it is one.

    Raises:
        ConfigError: when there is none.
    """
    for folder in (model / "bundle", model):
        if (folder / "configs" / "inference.yaml").is_file():
            return folder.absolute()
    raise ConfigError(
        f"{model} is neither a finished run nor a bundle: there is no configs/inference.yaml in it or in its bundle/. "
        "A run has its bundle when all of its steps are done."
    )


def class_names(bundle: Path) -> dict[int, str]:
    """Name of each class index, as the bundle's ``metadata.json`` has them; empty where it does not say."""
    try:
        found = read_json(bundle / "configs" / "metadata.json")
        channels = found["network_data_format"]["outputs"]["pred"]["channel_def"]
        return {int(index): str(name) for index, name in channels.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def scans(images: Sequence[str | Path], suffix: str = ".nii.gz") -> list[dict[str, str]]:
    """Volume files, folders of one DICOM series, and the volume files in other folders, as items with id and image.

    Args:
        images: volume files, or folders of them; pictures where labels end in ``.png``.
        suffix: how the names of the labels end.

    Raises:
        PrepareError: when a path is missing or no volume, two files have one name, or there is no file at all.
    """
    usable, known = (is_picture, PICTURE_SUFFIXES) if suffix == ".png" else (is_volume_file, SUFFIXES)
    kind, files = "picture" if suffix == ".png" else "volume file", list[Path]()
    for path in map(Path, images):
        if suffix != ".png" and is_dicom_folder(path):
            files.append(path)
        elif path.is_dir():
            files += sorted(f for f in path.iterdir() if usable(f))
        elif path.is_file() and usable(path):
            files.append(path)
        else:
            what = f"is no {kind}" if path.exists() else "does not exist"
            raise PrepareError(f"{path} {what}. Give files that end in {', '.join(known)}, or folders of them.")
    if not files:
        raise PrepareError(f"There is no {kind} in {', '.join(map(str, images))} ({', '.join(known)}).")
    seen: dict[str, Path] = {}
    for file in map(Path, map(os.path.abspath, files)):  # the folder of a series may be given as `.`
        if (other := seen.setdefault(case_id(file), file)) is not file:
            raise PrepareError(f"{file} and {other} would both be written as {case_id(file)}{suffix}. Rename one.")
    return [{"id": name, "image": os.path.abspath(file)} for name, file in seen.items()]


def _require_readable(items: Sequence[Mapping[str, str]], axes: int) -> None:
    """Look at all scans, whose grid has 3 axes, or pictures, whose grid has 2, before the first is predicted.

    Raises:
        PrepareError: names every scan that cannot be predicted.
    """
    wrong = []
    for item in items:
        try:
            facts = inspect_volume(item["image"])
        except PrepareError as error:
            wrong.append(str(error))
            continue
        if len(facts.grid) != axes or (axes == 2 and facts.shape[2:] not in ((), (3,))):
            wrong.append(
                f"{item['image']} is no {'picture' if axes == 2 else '3D volume'}: its shape is {facts.shape}."
            )
        elif not facts.finite:
            wrong.append(f"{item['image']} has voxels that are NaN or infinite.")
    if wrong:
        shown = "\n  ".join(wrong)
        raise PrepareError(f"{len(wrong)} of {len(items)} scans cannot be predicted; nothing was written.\n  {shown}")


def usable_device(name: str) -> torch.device:
    """The device of a name such as ``cpu`` or ``cuda:1``.

    Raises:
        ConfigError: when there is none of this name on this machine.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"The device {name!r} cannot be used here: {reason} Take cpu, or cuda:0 on a GPU.") from None
    return device


def _show_progress(evaluator: Engine, items: Sequence[Any]) -> None:
    bar = tqdm(total=len(items), desc="predicting", unit="scan", file=sys.stderr, disable=None)
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda _: bar.update(1))
    evaluator.add_event_handler(Events.COMPLETED, lambda _: bar.close())
