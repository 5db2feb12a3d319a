from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from atso_monai.bundle import find_bundle
from atso_monai.engine import AtsoWorkflow
from atso_monai.engine.overrides import read_overrides
from atso_monai.errors import ConfigError
from atso_monai.prepare import ZScore

NESTED = {"train": {"intensity": {"_target_": "atso_monai.prepare.ZScore"}, "max_epochs": "$@epoch_length // 2"}}


def test_a_target_in_the_overrides_reaches_the_bundle_and_is_not_built_before(dataset_dir: Path) -> None:
    config = find_bundle("msd_hippocampus") / "configs" / "atso.yaml"
    workflow = AtsoWorkflow(str(config), dataset_dir=dataset_dir, labelled=2, reference=4, test=1, overrides=NESTED)
    assert workflow.engine._overrides == NESTED


@pytest.mark.parametrize("given", [{"train": {"batch_size": 4}}, "{train: {batch_size: 4}}"])
def test_a_mapping_or_its_text(given: Any) -> None:
    assert read_overrides(given) == {"train": {"batch_size": 4}}
    assert read_overrides(None) == {}


def test_what_monai_built_is_refused_with_its_name() -> None:
    parser = ConfigParser({"overrides": NESTED, "epoch_length": 4, "engine": {"overrides": "@overrides"}})
    with pytest.raises(ConfigError, match=r"train::intensity is an object of type ZScore"):
        read_overrides(parser.get_parsed_content("engine")["overrides"])
    with pytest.raises(ConfigError, match=r"train::layers::1 is an object"):
        read_overrides({"train": {"layers": [1, ZScore()]}})


@pytest.mark.parametrize("given", ["batch_size", "{train: ", 3, ["train"]])
def test_what_maps_no_names_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="overrides must map names to values"):
        read_overrides(given)
