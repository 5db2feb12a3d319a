from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import BundleWorkflow

from atso_monai.bundle import find_bundle
from atso_monai.engine import AtsoWorkflow, Engine
from atso_monai.errors import ConfigError

CONFIGS = find_bundle("msd_hippocampus") / "configs"


def test_a_workflow_of_monai_that_describes_an_engine(dataset_dir: Path, tmp_path: Path, small: dict[str, Any]) -> None:
    workflow = AtsoWorkflow(
        str(CONFIGS / "atso.yaml"), dataset_dir=dataset_dir, output_dir=tmp_path / "$x #1", labelled=2, reference=4,
        test=1, **small,
    )  # fmt: skip
    assert isinstance(workflow, BundleWorkflow)
    engine = workflow.engine
    assert isinstance(engine, Engine)
    assert engine.run_dir == tmp_path / "$x #1"
    assert engine.scheme.views == ("axial", "sagittal")
    assert [len(role) for role in (engine.cohort.labelled, engine.cohort.reference, engine.cohort.test)] == [2, 4, 1]


def test_several_files_are_merged(dataset_dir: Path) -> None:
    files = [str(CONFIGS / "atso.yaml"), str(CONFIGS / "atso_regime_a.yaml")]
    workflow = AtsoWorkflow(files, dataset_dir=str(dataset_dir), reference=4, test=1)
    assert workflow.engine.scheme.views == ("sagittal",)


def test_what_monai_passes_along_is_ignored(dataset_dir: Path) -> None:
    AtsoWorkflow(str(CONFIGS / "atso.yaml"), meta_file=None, logging_file=None, workflow_type=None, seed=1)


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"atso\.yaml has no id 'generation'. Did you mean 'generations'"):
        AtsoWorkflow(str(CONFIGS / "atso.yaml"), generation=3)


def test_devices_are_asked_for_where_a_run_is_to_happen_and_not_for_its_plan(
    dataset_dir: Path, tmp_path: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch script is written on a machine without GPUs; a run there is refused before scans are read."""

    def never() -> Any:
        raise AssertionError

    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ConfigError, match="'cuda:1' is not on this machine"):
        Engine("msd_hippocampus", never, tmp_path / "run", devices=["cuda:1"]).check()
    workflow = AtsoWorkflow(
        str(CONFIGS / "atso.yaml"), dataset_dir=dataset_dir, output_dir=tmp_path / "run", labelled=2, reference=4,
        test=1, devices=["cuda:1"], **small,
    )  # fmt: skip
    assert workflow.engine.plan().steps


def test_an_engine_reads_and_writes_nothing_before_it_runs(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError

    engine = Engine("msd_hippocampus", never, tmp_path / "run")
    assert engine.run_dir == tmp_path / "run"
    assert not (tmp_path / "run").exists()


def test_what_is_set_in_the_bundles_is_made_there_and_not_here(dataset_dir: Path, tmp_path: Path) -> None:
    asked = {"train": {"network_def": {"_target_": "UNet", "spatial_dims": "@dims"}, "lr": "$1 / 0"}}
    workflow = AtsoWorkflow(str(CONFIGS / "atso.yaml"), overrides=asked)
    assert dict(workflow.parser.get_parsed_content("overrides")) == asked
    settings = tmp_path / "more.yaml"
    settings.write_text("overrides: {train: {lr: '@rate'}}", encoding="utf-8")
    files = [str(CONFIGS / "atso.yaml"), str(settings)]
    nested = AtsoWorkflow(files, **{"overrides::train::lr": "@speed"})
    assert dict(nested.parser.get_parsed_content("overrides")) == {"train": {"lr": "@speed"}}


def test_what_is_set_in_the_bundles_may_be_text_and_is_never_dropped() -> None:
    file, given = str(CONFIGS / "atso.yaml"), {"train": {"batch_size": 4}}
    assert AtsoWorkflow(file, overrides="{train: {batch_size: 4}}").engine._overrides == given
    assert AtsoWorkflow(file, overrides="$dict(train=dict(batch_size=4))").engine._overrides == given
    assert AtsoWorkflow(file, overrides=None).engine._overrides == {}
    for wrong in (["train"], 3, "batch_size"):
        with pytest.raises(ConfigError, match="overrides must map names to values"):
            AtsoWorkflow(file, overrides=wrong)
    AtsoWorkflow(file, overrides=given, **{"overrides::train::batch_size": 3})
    assert given == {"train": {"batch_size": 4}}
