"""What a run leaves for people: a bundle that predicts new scans, and the pseudo labels in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atso_monai.bundle import override
from atso_monai.engine.orders import Workplace, bundle_config
from atso_monai.engine.plan import Outcome
from atso_monai.files import read_json, write_json, write_text

README = """# {title}

Segments {labels} on scans like those it was trained on. Made by an ATSO run (strategy `{strategy}`), to be run with
`python -m monai.bundle`, without the engine that trained it.

## Use

    cd THIS_FOLDER
    python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir IMAGES --output_dir LABELS

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


def deliver_bundle(place: Workplace, outcome: Outcome, tables: str) -> Path:
    """Assemble ``RUN/bundle`` from the final models; written anew each time, moved into place in one step.

    Returns:
        The bundle's folder.
    """
    target, temporary = place.run_dir / "bundle", place.run_dir / ".bundle.new"
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "models").mkdir(parents=True)
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
    weights = {view: f"$str(@bundle_root) + '/models/{view}.pt'" for view in views}
    override(inference, {"bundle_root": ".", "checkpoints": weights}, "configs/inference.yaml")
    train = bundle_config(place, "train", outcome.overlay, outcome.reduced)
    override(train, {"bundle_root": "."}, "configs/train.yaml")
    for config, name in ((inference, "inference"), (train, "train")):
        write_text(folder / "configs" / f"{name}.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    metadata = read_json(place.bundle / "configs" / "metadata.json")
    labels = place.classes.names(outcome.reduced)
    metadata["network_data_format"]["outputs"]["pred"]["num_channels"] = len(labels)
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = _text_keys(labels)
    write_json(folder / "configs" / "metadata.json", metadata)


def _readme(place: Workplace, outcome: Outcome, tables: str) -> str:
    cohort, labels = place.cohort, place.classes.names(outcome.reduced)
    return README.format(
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


def _text_keys(labels: Mapping[int, Any]) -> dict[str, Any]:
    return {str(index): name for index, name in labels.items()}
