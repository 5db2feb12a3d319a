from __future__ import annotations

from atso_monai.adapter.packages import missing_packages


def test_packages_that_metadata_ask_for() -> None:
    metadata = {
        "required_packages_version": {"nibabel": "4.0.1", "pytorch-ignite": "0.4.9", "no-such-package-at-all": "1.0"},
        "optional_packages_version": {"tensorboard": "2", "no_such_module_either": "1", "no-such-package-at-all": "2"},
    }
    assert missing_packages(metadata) == ["no-such-package-at-all", "no_such_module_either"]
    assert missing_packages({"version": "0.1.0", "optional_packages_version": "none"}) == []
