"""The bundle of the transfer, on made-up files in the folders of both data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atso_monai.bundle import find_bundle
from atso_monai.engine import AtsoWorkflow


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for n, part in enumerate(["train", "train", "val"]):
        stem = f"{part}/ulm/ulm_{n:06}_000019"
        save(folder / "cs" / "leftImg8bit" / f"{stem}_leftImg8bit.png", random.integers(0, 255, (32, 64, 3), np.uint8))
        save(folder / "cs" / "gtFine" / f"{stem}_gtFine_labelIds.png", random.integers(0, 34, (32, 64), np.uint8))
    for n, part in enumerate(["training", "training", "validation"]):
        shape = (48 + 8 * n, 40)
        save(folder / "mv" / part / "images" / f"v{n}.jpg", random.integers(0, 255, (*shape, 3), np.uint8))
        save(folder / "mv" / part / "labels" / f"v{n}.png", random.integers(0, 66, shape, np.uint8))
    return folder


def test_the_target_learns_19_classes_from_5_on_pictures_of_any_size(data: Path, tmp_path: Path) -> None:
    small = {"train": {"epoch_length": 1, "batch_size": 2, "side": 32, "size": [32, 32]}, "inference": {"side": 32}}
    run = AtsoWorkflow(
        str(find_bundle("cityscapes_to_mapillary") / "configs" / "atso.yaml"),
        cityscapes_dir=data / "cs",
        mapillary_dir=data / "mv",
        output_dir=tmp_path / "run",
        strategy="stso_5_target",
        compare=[],
        generations=1,
        epochs={"first": 1, "later": 1},
        overrides=small,
        executor="inline",
        threads=1,
    ).run()
    items = json.loads((tmp_path / "run" / "model" / "g1" / "whole" / "datalist.json").read_text(encoding="utf-8"))
    by_id = {item["id"]: item["label_map"] for item in items}
    assert set(by_id) == {
        "cityscapes_ulm_000000_000019",
        "cityscapes_ulm_000001_000019",
        "mapillary_v0",
        "mapillary_v1",
    }
    assert by_id["cityscapes_ulm_000000_000019"]["26"] == 13, "a car of Cityscapes"
    assert by_id["mapillary_v0"] == {str(k): 19 + k for k in range(5)}, "groups of classes of the pseudo labels"
    for name, shape in (("v0", (48, 40)), ("v1", (56, 40))):
        label = np.asarray(Image.open(run.pseudo_labels / f"mapillary_{name}.png"))
        assert label.shape == shape and label.max() < 19
    assert {row["label"] for row in run.rows if row["strategy"] == "stso_5_target"} >= {"road", "mean"}
    assert "vehicle" in run.tables and "ATSO" in (run.bundle / "docs" / "README.md").read_text(encoding="utf-8")
