from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atso_monai.engine.delivery import deliver_bundle, deliver_labels
from atso_monai.files import read_json, write_text
from atso_monai.predict import class_names


@pytest.fixture
def run(described: Callable[..., Any]) -> Any:
    """A run whose models and labels are texts."""
    made = described(generations=1)
    (outcome,) = made.plan.outcomes
    for model in outcome.models:
        write_text(made.place.folder(model) / "model.pt", model)
    for artefact in outcome.labels:
        write_text(made.place.folder(artefact) / f"{artefact[-2:]} #ä.nii.gz", artefact)
    return made


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_run_leaves_a_bundle_of_its_own(run: Any) -> None:
    folder = deliver_bundle(run.place, run.plan.outcomes[0], "the numbers")
    files = tree(folder)
    assert {name for name in files if "LICENSE" not in name and "license" not in name} == {
        "configs/inference.yaml", "configs/train.yaml", "configs/metadata.json", "docs/README.md", "models/axial.pt",
        "models/sagittal.pt",
    }  # fmt: skip
    assert files["models/axial.pt"] == b"model/final/axial"
    inference = yaml.safe_load(files["configs/inference.yaml"])
    assert set(inference["checkpoints"]) == {"axial", "sagittal"}
    assert inference["bundle_root"] == "."
    output = read_json(folder / "configs" / "metadata.json")["network_data_format"]["outputs"]["pred"]
    assert output["channel_def"] == {"0": "background", "1": "front", "2": "back"}
    assert output["num_channels"] == 3
    readme = files["docs/README.md"].decode()
    for text in ("the numbers", run.place.cohort.fingerprint, "strategy `atso`", "3 labelled cases, 4 reference cases"):
        assert text in readme


@pytest.mark.parametrize(
    "said", [{"version": "1"}, {"network_data_format": None}, {"network_data_format": {"outputs": []}}]
)
def test_classes_are_named_where_the_bundle_that_predicts_names_none(
    run: Any, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    monkeypatch.setattr("atso_monai.engine.delivery.metadata", lambda root: said)
    folder = deliver_bundle(run.place, run.plan.outcomes[0], "the numbers")
    assert class_names(folder) == {0: "background", 1: "front", 2: "back"}


def test_braces_in_names_are_only_names(run: Any) -> None:
    folder = deliver_bundle(run.place, run.plan.outcomes[0], "{not} a {field}")
    assert "{not} a {field}" in (folder / "docs" / "README.md").read_text(encoding="utf-8")


def test_delivering_again_replaces_all(run: Any) -> None:
    first = tree(deliver_bundle(run.place, run.plan.outcomes[0], "x"))
    (run.place.run_dir / "bundle" / "models" / "old.pt").write_text("")
    assert tree(deliver_bundle(run.place, run.plan.outcomes[0], "x")) == first
    assert not list(run.place.run_dir.glob(".bundle*"))


def test_pseudo_labels_of_all_folds_in_one_folder(run: Any) -> None:
    folder = deliver_labels(run.place, run.plan.outcomes[0])
    assert tree(folder) == {f"f{k} #ä.nii.gz": f"labels/final/f{k}".encode() for k in (1, 2)}
    assert folder == run.place.run_dir / "pseudo_labels"
    assert tree(deliver_labels(run.place, run.plan.outcomes[0])) == tree(folder)
