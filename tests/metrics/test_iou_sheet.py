from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atso_monai.metrics import IouSheet, ScoreSheet, class_iou, confusion_matrix, dice_scores, mean_iou


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Four cases of different sizes, two per fold, whose truth has the values 10, 20, 30 and 99 (void)."""
    made, entries = [], []
    for n in range(4):
        random = np.random.default_rng(n)
        truth = random.choice(np.array([10, 20, 30, 99], np.uint8), (4 + n, 6))
        left = random.integers(0, 3, truth.shape).astype(np.uint8)
        for name, array in (("left", left), ("truth", truth)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / name / f"{n}.png")
        columns = {"model": "all", "fold": f"f{1 + n // 2}", "case": str(n), "metric": "dsc"}
        mapping = {"10": 0, "20": 1, "30": 2, "99": 255}
        entries.append({"left": f"left/{n}.png", "right": f"truth/{n}.png", "right_map": mapping, "columns": columns})
        made.append((left, np.select([truth == 10, truth == 20, truth == 30], [0, 1, 2], 255)))
    labels = {"0": "road", "1": "car", "2": "sky"}
    (tmp_path / "list.json").write_text(json.dumps({"labels": labels, "pairs": entries, "ignore": 255}))
    return made


def table(tmp_path: Path) -> list[dict[str, str]]:
    IouSheet(tmp_path / "list.json", tmp_path / "scores.csv").write()
    with (tmp_path / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def value(rows: list[dict[str, str]], **at: str) -> float:
    (found,) = [float(row["value"]) for row in rows if all(row[k] == v for k, v in at.items())]
    return found


def test_cases_folds_and_the_whole_set(tmp_path: Path, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    rows = table(tmp_path)
    matrices = [confusion_matrix(left, right, 3, 255) for left, right in pairs]
    assert value(rows, case="2", label="car") == pytest.approx(class_iou(matrices[2])[1], abs=1e-6)
    assert value(rows, case="", fold="f2", label="mean") == pytest.approx(mean_iou(matrices[2] + matrices[3]), abs=1e-6)
    assert value(rows, case="", fold="", label="sky") == pytest.approx(class_iou(sum(matrices))[2], abs=1e-6)
    assert {row["metric"] for row in rows} == {"iou"}
    kept = json.loads((tmp_path / "scores.matrices.json").read_text())
    assert kept["classes"] == ["road", "car", "sky"] and len(kept["matrices"]) == 4 + 2 + 1
    (whole,) = [m["matrix"] for m in kept["matrices"] if not m["columns"]["case"] and not m["columns"]["fold"]]
    assert whole == sum(matrices).tolist()


def test_dice_ignores_the_same_pixels(tmp_path: Path, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    rows = list(ScoreSheet(tmp_path / "list.json", tmp_path / "scores.csv").rows())
    left, right = pairs[0]
    expected = dice_scores(left[right != 255], right[right != 255], [1])[1]
    assert value(rows, case="0", label="car") == pytest.approx(expected, abs=1e-6)
