"""ScoreSheet against MONAI's compute_dice."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.metrics import compute_dice

from atso_monai.errors import AtsoError, PrepareError
from atso_monai.metrics import ScoreSheet, class_surface_distances

LABELS = {"0": "background", "1": "liver", "2": "tumour"}


def save(path: Path, array: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.eye(4)), path)
    return str(path)


def draw(seed: int, shape: tuple[int, ...] = (6, 7, 5), values: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, values, shape)


def write(folder: Path, pairs: list[dict[str, Any]], labels: dict[str, str] = LABELS) -> list[dict[str, str]]:
    (folder / "datalist.json").write_text(json.dumps({"labels": labels, "pairs": pairs}), encoding="utf-8")
    ScoreSheet(folder / "datalist.json", folder / "scores.csv").write()
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def monai_dice(left: np.ndarray, right: np.ndarray, value: int) -> float:
    masks = (torch.from_numpy(one == value)[None, None].float() for one in (left, right))
    return float(compute_dice(*masks))


def test_every_class_and_the_foreground(tmp_path: Path) -> None:
    step = tmp_path / "step #1"
    pairs = []
    for case in range(4):
        left = save(tmp_path / "labels" / f"ä {case}.nii.gz", draw(case))
        pairs.append({
            "left": f"../labels/{Path(left).name}",
            "right": save(tmp_path / "truth" / f"{case}.nii.gz", draw(case + 10)),
            "columns": {"case": f"ä,{case}", "metric": "dsc"},
        })  # fmt: skip
    step.mkdir()
    rows = write(step, pairs)
    assert [row["label"] for row in rows] == ["liver", "tumour", "foreground"] * 5  # the last: all cases as one volume
    together = [np.concatenate([draw(case + more) for case in range(4)]) for more in (0, 10)]
    assert {row["metric"] for row in rows[-3:]} == {"global_dsc"} and {row["case"] for row in rows[-3:]} == {""}
    expected = [monai_dice(*together, 1), monai_dice(*together, 2), monai_dice(together[0] > 0, together[1] > 0, 1)]
    np.testing.assert_allclose([float(row["value"]) for row in rows[-3:]], expected, atol=1e-6)
    for case in range(4):
        left, right = draw(case), draw(case + 10)
        expected = [monai_dice(left, right, 1), monai_dice(left, right, 2), monai_dice(left > 0, right > 0, 1)]
        mine = [row for row in rows if row["case"] == f"ä,{case}"]
        np.testing.assert_allclose([float(row["value"]) for row in mine], expected, atol=1e-6)
        assert {row["metric"] for row in mine} == {"dsc"}


def test_one_class_needs_no_foreground(tmp_path: Path) -> None:
    pair = {"left": save(tmp_path / "a.nii", draw(0, values=2)), "right": save(tmp_path / "b.nii", draw(1, values=2))}
    rows = write(tmp_path, [{**pair, "columns": {}}], {"0": "background", "1": "liver"})
    assert [row["label"] for row in rows] == ["liver"]


def test_empty_labels(tmp_path: Path) -> None:
    empty, full = save(tmp_path / "e.nii", np.zeros((2, 2, 2))), save(tmp_path / "f.nii", np.ones((2, 2, 2)))
    pairs = [{"left": left, "right": right, "columns": {}} for left, right in ((empty, empty), (empty, full))]
    values = [row["value"] for row in write(tmp_path, pairs, {"0": "b", "1": "liver"})]
    assert values == ["1.000000", "0.000000"]


def test_label_maps_are_applied_to_each_side(tmp_path: Path) -> None:
    left, right = draw(0, values=4), draw(1, values=3)
    pair = {
        "left": save(tmp_path / "a.nii", left), "right": save(tmp_path / "b.nii", right),
        "left_map": {"1": 1, "2": 0, "3": 2}, "right_map": {"1": 2, "2": 1}, "columns": {},
    }  # fmt: skip
    rows = write(tmp_path, [pair])
    left_mapped, right_mapped = np.array([0, 1, 0, 2])[left], np.array([0, 2, 1])[right]
    for row, value in zip(rows, (1, 2), strict=False):
        assert float(row["value"]) == pytest.approx(monai_dice(left_mapped, right_mapped, value), abs=1e-6)


def test_nothing_to_compare_is_an_empty_table(tmp_path: Path) -> None:
    assert write(tmp_path, []) == []
    assert (tmp_path / "scores.csv").read_text().strip() == "label,value"


def test_two_shapes(tmp_path: Path) -> None:
    pair = {"left": save(tmp_path / "a.nii", draw(0)), "right": save(tmp_path / "b.nii", draw(0, (6, 7, 4)))}
    with pytest.raises(PrepareError, match=r"a\.nii has shape \(6, 7, 5\), .*b\.nii has \(6, 7, 4\)"):
        write(tmp_path, [{**pair, "columns": {}}])
    assert not (tmp_path / "scores.csv").exists()


def test_a_label_file_in_floating_point_is_scored_all_the_same(tmp_path: Path) -> None:
    left = draw(0)
    nib.save(nib.Nifti1Image(left.astype(np.float32), np.eye(4)), tmp_path / "a.nii")
    pair = {"left": str(tmp_path / "a.nii"), "right": save(tmp_path / "b.nii", left), "columns": {}}
    assert {row["value"] for row in write(tmp_path, [pair])} == {"1.000000"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtsoError, match=r"none\.nii"):
        write(tmp_path, [{"left": "none.nii", "right": "none.nii", "columns": {}}])


def test_a_file_that_changed_between_two_sheets_is_read_again(tmp_path: Path) -> None:
    pair = {"left": save(tmp_path / "a.nii", draw(0)), "right": save(tmp_path / "b.nii", draw(0)), "columns": {}}
    assert {row["value"] for row in write(tmp_path, [pair])} == {"1.000000"}
    save(tmp_path / "a.nii", draw(1))
    assert "1.000000" not in {row["value"] for row in write(tmp_path, [pair])}


# --- surface distances


def saved(path: Path, array: np.ndarray, spacing: tuple[float, ...]) -> str:
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.diag([*spacing, 1.0])), path)
    return str(path)


def test_distances_where_they_are_asked_for_in_mm_of_the_prediction(tmp_path: Path) -> None:
    spacing, left, right = (0.7, 0.7, 5.0), draw(0), draw(1)
    pair = {
        "left": saved(tmp_path / "a.nii", left, spacing), "right": saved(tmp_path / "b.nii", 5 - right, (1, 1, 1)),
        "right_map": {"5": 0, "4": 1, "3": 2}, "columns": {"case": "x", "fold": "", "metric": "dsc"},
    }  # fmt: skip
    rows = write(tmp_path, [{**pair, "distances": True}, pair])
    assert [row["metric"] for row in rows] == ["dsc"] * 3 + ["hd95"] * 3 + ["assd"] * 3 + ["dsc"] * 3 + [
        "global_dsc"
    ] * 3
    affine = np.diag([*spacing, 1.0])
    found = class_surface_distances(left, right, [1, 2], affine)
    joint = class_surface_distances((left > 0) * 1, (right > 0) * 1, [1], affine)[1]
    for metric in ("hd95", "assd"):
        mine = {row["label"]: float(row["value"]) for row in rows if row["metric"] == metric}
        expected = {"liver": found[1], "tumour": found[2], "foreground": joint}
        assert mine == pytest.approx({name: getattr(one, metric) for name, one in expected.items()}, abs=1e-6)
    assert all(set(row) == {"case", "fold", "metric", "label", "value"} for row in rows)


def test_a_distance_that_is_none_says_why(tmp_path: Path) -> None:
    empty, full = save(tmp_path / "e.nii", np.zeros((2, 2, 2))), save(tmp_path / "f.nii", np.ones((2, 2, 2)))
    pairs = [
        {"left": left, "right": right, "columns": {"metric": "dsc", "case": f"{k}", "fold": ""}, "distances": True}
        for k, (left, right) in enumerate(((empty, full), (full, empty), (empty, empty), (full, full)))
    ]
    rows = [row for row in write(tmp_path, pairs, {"0": "b", "1": "liver"}) if row["metric"] in ("hd95", "assd")]
    assert [row["value"] for row in rows] == [v for v in ("inf", "inf", "nan", "0.000000") for _ in range(2)]
