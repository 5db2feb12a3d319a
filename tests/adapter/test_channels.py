from __future__ import annotations

from typing import Any

import pytest

from atso_monai.adapter.channels import class_ids, input_channels, output_channels
from atso_monai.adapter.checks import refuse_overlapping_classes
from atso_monai.errors import ConfigError

CONFIG: dict[str, Any] = {
    "kinds": 5,
    "network_def": {"_target_": "Net", "in_channels": 1, "num_classes": "@kinds"},
    "network": "$@network_def.to(@device)",
    "post": [{"_target_": "AsDiscreted", "to_onehot": [5, 5]}, {"_target_": "AsDiscreted", "to_onehot": 4}],
    "crop": {"num_samples": 5},
}


def test_channels_are_read_through_references() -> None:
    assert (input_channels(CONFIG, "network"), output_channels(CONFIG, "network")) == (1, 5)
    assert output_channels({"network": "$make(5)"}, "network") is None


def test_ids_that_probably_hold_the_number_of_classes() -> None:
    assert class_ids(CONFIG, 5) == ["kinds", "post::0::to_onehot::0", "post::0::to_onehot::1"]


def test_a_sigmoid_of_nobody_knows_how_many_channels() -> None:
    config = {"network": "$make()", "loss": {"_target_": "DiceLoss", "sigmoid": True}}
    with pytest.raises(ConfigError, match=r"sigmoid \(at loss\).*out_channels: 1 in a mapping"):
        refuse_overlapping_classes(config, "network", "b")
    refuse_overlapping_classes(config, "network", "b", channels=1)
    with pytest.raises(ConfigError, match="gives 3 classes that may overlap"):
        refuse_overlapping_classes(config, "network", "b", channels=3)
