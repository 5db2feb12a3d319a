from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from atso_monai.adapter import BundleMapping, read_mapping
from atso_monai.errors import ConfigError


def bundle(root: Path, **files: Any) -> Path:
    (root / "configs").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / "configs" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def test_the_mapping_given_comes_first_then_the_bundles_own(tmp_path: Path) -> None:
    root = bundle(tmp_path)
    assert read_mapping(root) == BundleMapping()
    bundle(tmp_path, metadata={"version": "1", "atso_mapping": {"train": {"trainer": "in_metadata"}}})
    assert read_mapping(root).train.trainer == "in_metadata"
    bundle(tmp_path, atso_mapping={"train": {"trainer": "in_file"}, "inference": {"num_classes": "net::out"}})
    assert read_mapping(root).train.trainer == "in_file"
    assert read_mapping(root).inference.num_classes == ("net::out",)
    given = tmp_path / "given #1.yaml"
    given.write_text("train: {trainer: given}\n")
    assert read_mapping(root, given).train.trainer == "given"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"training": {}}, r"entries train and inference. Received: 'training'.*'train'"),
        ({"train": {"trainr": "x"}}, r"no entry 'trainr'.*Did you mean 'trainer'"),
        ({"train": {"items": "voxels"}}, "items must be files or slices"),
        ({"train": {"validation_cases": -1}}, "validation_cases must be a whole number"),
        ({"train": "x"}, "must have the entries"),
        ([1], "must have the entries"),
    ],
)
def test_what_is_no_mapping(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_mapping(bundle(tmp_path, atso_mapping=content))


def test_a_file_that_is_not_there_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml cannot be read"):
        read_mapping(bundle(tmp_path), tmp_path / "missing.yaml")
    (tmp_path / "broken.yaml").write_text("train: [")
    with pytest.raises(ConfigError, match=r"broken\.yaml cannot be read"):
        read_mapping(bundle(tmp_path), tmp_path / "broken.yaml")
