from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine

from atso_monai.errors import PrepareError
from atso_monai.handlers import LabelSaver
from atso_monai.prepare import TrainingGrid, place

OBLIQUE = np.array([[0.0, 1.2, 0.1, 5], [-0.9, 0, 0, -7], [0.2, 0.1, -2.0, 11], [0, 0, 0, 1]])
SHAPE = (5, 7, 4)


def save(folder: Path, names: list[str], labels: list[np.ndarray], grid: TrainingGrid) -> None:
    """Run an evaluator whose prediction is the one-hot of each label, put on the training grid by brute force."""
    placement = place(SHAPE, OBLIQUE, grid)

    def step(_: Engine, batch: dict[str, object]) -> dict[str, torch.Tensor]:
        label = labels[names.index(str(batch["id"]))]
        ras = nib.as_closest_canonical(nib.Nifti1Image(label, OBLIQUE)).get_fdata()
        one_hot = np.stack([ras == value for value in range(3)]).astype(np.float32)
        return {"pred": torch.from_numpy(one_hot)[None]}

    engine = Engine(step)
    LabelSaver(folder).attach(engine)
    engine.run([{"id": name, "placement": placement} for name in names], max_epochs=1)


def test_labels_are_written_on_the_grid_of_the_case(tmp_path: Path) -> None:
    names = ["a b", "ä#1 100% $x", "脑"]
    labels = [np.random.default_rng(n).integers(0, 3, SHAPE).astype(np.uint8) for n in range(3)]
    save(tmp_path / "new", names, labels, TrainingGrid())
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(f"{name}.nii.gz" for name in names)
    for name, label in zip(names, labels, strict=True):
        image = nib.load(tmp_path / "new" / f"{name}.nii.gz")
        np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-5)
        assert image.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(np.asarray(image.dataobj), label)


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("the image itself")
    with pytest.raises(PrepareError, match="is there already and is not replaced"):
        save(tmp_path, ["a"], [np.zeros(SHAPE, np.uint8)], TrainingGrid())
    assert (tmp_path / "a.nii.gz").read_text() == "the image itself"
