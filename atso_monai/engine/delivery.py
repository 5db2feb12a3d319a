"""What a run leaves for people: a bundle that predicts new scans, and the pseudo labels in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from atso_monai.adapter import SECTION, working_copy
from atso_monai.bundle import engine_id, metadata, set_ids
from atso_monai.engine import tables
from atso_monai.engine.configuration import torchrun_overlay
from atso_monai.engine.orders import bundle_config
from atso_monai.engine.plan import Outcome, Plan
from atso_monai.engine.run import Run
from atso_monai.engine.summary import summary
from atso_monai.engine.workplace import Workplace
from atso_monai.files import text_keys, write_json, write_text

README = """# {title}

Segments {labels} on scans like those it was trained on. Made by an ATSO run (strategy `{strategy}`), to be run with
`python -m monai.bundle`, without the engine that trained it.

## Use

    cd THIS_FOLDER
    python -m monai.bundle run --config_file configs/inference.yaml {arguments}

or, from anywhere: `atso predict THIS_FOLDER IMAGES --to LABELS`. `IMAGES` is a folder of {inputs}.
One `<name>{suffix}` per image is written, on the image's own grid.

## What it was trained on

Cohort `{cohort}`, fingerprint `{fingerprint}`: {labelled} labelled cases, {reference} reference cases, {test} test
cases. The label values are: {values}. It is a research tool, not a medical device.

## Numbers of the run

```
{tables}
```
"""


def deliver(place: Workplace, plan: Plan) -> Run:
    """Write the tables of a run that is done, its bundle and its pseudo labels."""
    rows = tables.collect(place.run_dir, plan)
    tables.write_metrics(place.run_dir / "metrics.csv", rows)
    text = summary(plan, rows)
    write_text(place.run_dir / "summary.txt", text + "\n")
    outcome = plan.outcomes[0]
    bundle = deliver_bundle(place, outcome, text)
    return Run(place.run_dir, plan, rows, text, bundle, deliver_labels(place, outcome))


def deliver_bundle(place: Workplace, outcome: Outcome, tables: str) -> Path:
    """Assemble ``RUN/bundle`` from the final models; written anew each time, moved into place in one step.

    Returns:
        The bundle's folder.
    """
    target, temporary = place.run_dir / "bundle", place.run_dir / ".bundle.new"
    shutil.rmtree(temporary, ignore_errors=True)
    if SECTION in bundle_config(place, "predict"):
        _copy_code(place.bundle_of("predict"), temporary)
    (temporary / "models").mkdir(parents=True, exist_ok=True)
    views = {model.rsplit("/", 1)[1]: place.folder(model) / "model.pt" for model in outcome.models}
    for view, file in views.items():
        shutil.copyfile(file, temporary / "models" / f"{view}.pt")
    _write_configs(place, temporary, list(views), outcome)
    for extra in ("LICENSE", "docs/data_license.txt"):
        if (place.bundle / extra).is_file():
            (temporary / extra).parent.mkdir(exist_ok=True)
            shutil.copyfile(place.bundle / extra, temporary / extra)
    write_text(temporary / "docs" / "README.md", _readme(place, outcome, tables))
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target


def _write_configs(place: Workplace, folder: Path, views: Sequence[str], outcome: Outcome) -> None:
    inference = bundle_config(place, "predict", outcome.overlay, outcome.reduced)
    root = engine_id(inference, "bundle_root")
    weights = {view: f"$str(@{root}) + '/models/{view}.pt'" for view in views}
    set_ids(inference, {"bundle_root": ".", "checkpoints": weights}, "configs/inference.yaml")
    train = bundle_config(replace(place, ranks=1), "train", outcome.overlay, outcome.reduced)
    set_ids(train, {"bundle_root": "."}, "configs/train.yaml")
    for config, name in ((inference, "inference"), (train, "train")):
        write_text(folder / "configs" / f"{name}.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    if place.ranks > 1:
        overlay = torchrun_overlay(place.bundle)
        shutil.copyfile(overlay, folder / "configs" / overlay.name)
    described = metadata(place.bundle_of("predict"))
    _name_classes(described, place.classes.names(outcome.reduced))
    write_json(folder / "configs" / "metadata.json", described)


def _name_classes(described: dict[str, Any], labels: Mapping[int, str]) -> None:
    """Say in the metadata what the labels mean, which many bundles of other people leave out, or say of their own."""
    level = described
    for name in ("network_data_format", "outputs", "pred"):
        if not isinstance(level.get(name), dict):
            level[name] = {}
        level = level[name]
    level |= {"num_channels": len(labels), "channel_def": text_keys(labels)}


def _copy_code(bundle: Path, folder: Path) -> None:
    """The files of a bundle of other people that its configurations may need, without theirs and its weights."""
    working_copy(bundle, folder)
    for name in ("configs", "models", "docs", "eval"):
        for file in (folder / name).glob("*") if (folder / name).is_dir() else ():
            if file.suffix in (".pt", ".ts", ".onnx", ".md") or file.stem.startswith(("train", "inference")):
                file.unlink()
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        target = link.resolve()
        link.unlink()
        shutil.copyfile(target, link)


def _readme(place: Workplace, outcome: Outcome, tables: str) -> str:
    cohort, labels = place.cohort, place.classes.names(outcome.reduced)
    ids = ("datalist", "output_dir") if SECTION in bundle_config(place, "predict") else ("dataset_dir", "output_dir")
    names = [engine_id(bundle_config(place, "predict"), name).replace("::", "#") for name in ids]
    return README.format(
        arguments=f"--{names[0]} IMAGES --{names[1]} LABELS",
        title=f"{place.bundle.name}, trained by {outcome.strategy}",
        labels=", ".join(label for index, label in labels.items() if index or cohort.ignore is not None),
        inputs="pictures (PNG, JPEG)" if place.label_suffix == ".png" else "volumes (NIfTI, MHA, NRRD)",
        suffix=place.label_suffix,
        strategy=outcome.strategy,
        cohort=cohort.name,
        fingerprint=cohort.fingerprint,
        labelled=len(cohort.labelled),
        reference=len(cohort.reference),
        test=len(cohort.test),
        values=", ".join(f"{index} {label}" for index, label in labels.items()),
        tables=tables,
    )


def deliver_labels(place: Workplace, outcome: Outcome) -> Path:
    """Copy the final pseudo labels of all folds into ``RUN/pseudo_labels``, one file per reference case."""
    target, temporary = place.run_dir / "pseudo_labels", place.run_dir / ".pseudo_labels.new"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for artefact in outcome.labels:
        for file in sorted(place.folder(artefact).glob(f"*{place.label_suffix}")):
            shutil.copyfile(file, temporary / file.name)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    return target
