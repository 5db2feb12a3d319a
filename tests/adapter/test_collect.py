from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.transforms import Orientation, Spacing

from atso_monai.adapter.collect import class_indices, collect_labels, on_grid

RNG = np.random.default_rng(0)
LABEL = torch.from_numpy(RNG.integers(0, 3, (5, 6, 7)).astype(np.uint8))
AFFINE = np.array([[0, -1.5, 0, 4], [2.0, 0, 0, -9], [0, 0, 1.0, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    "prediction",
    [
        LABEL[None],
        LABEL[None].float(),
        MetaTensor(LABEL[None].float()),
        torch.nn.functional.one_hot(LABEL.long(), 3).movedim(-1, 0),
        torch.softmax(5.0 * torch.nn.functional.one_hot(LABEL.long(), 3).movedim(-1, 0).float(), 0),
    ],
)
def test_classes_of_labels_and_of_scores(prediction: torch.Tensor) -> None:
    found = class_indices(prediction, 3)
    assert found.dtype == torch.uint8
    assert torch.equal(found, LABEL)


@pytest.mark.parametrize(
    ("prediction", "classes", "message"),
    [
        (torch.ones(3, 2, 2, 2), 3, "overlap"),
        (torch.zeros(2, 2, 2, 2), 3, "2 channels, but there are 3 classes"),
        (LABEL[None] + 0.25, 3, "no whole numbers"),
        (LABEL[None] * 2, 3, "go from 0 to 4, but classes from 0 to 2"),
        (torch.full((1, 2, 2, 2), float("nan")), 3, "no whole numbers"),
        (torch.full((1, 2, 2, 2), -1.0), 3, "from -1"),
    ],
)
def test_what_is_no_labelling(prediction: torch.Tensor, classes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_indices(prediction, classes)


def test_blended_labels_of_two_classes_are_cut_at_the_middle() -> None:
    assert class_indices(torch.tensor([0.0, 0.4, 0.6, 1.0])[None, :, None, None], 2).flatten().tolist() == [0, 0, 1, 1]


def test_a_label_on_the_grid_stays_as_it_is() -> None:
    np.testing.assert_array_equal(on_grid(LABEL, AFFINE, LABEL.shape, AFFINE), LABEL.numpy())


def test_a_label_in_another_orientation_is_brought_back_exactly() -> None:
    turned = Orientation("RAS")(MetaTensor(LABEL[None].float(), affine=torch.as_tensor(AFFINE)))
    assert tuple(turned.shape[1:]) != tuple(LABEL.shape)
    found = on_grid(turned[0].as_tensor().to(torch.uint8), turned.affine.numpy(), LABEL.shape, AFFINE)
    np.testing.assert_array_equal(found, LABEL.numpy())


def test_a_padded_label_is_cut_and_a_cropped_one_filled_with_background() -> None:
    padded = torch.nn.functional.pad(LABEL, (1, 2, 3, 0, 2, 1))  # axes from the last to the first
    moved = AFFINE.copy()
    moved[:3, 3] -= AFFINE[:3, :3] @ [2, 3, 1]
    np.testing.assert_array_equal(on_grid(padded, moved, LABEL.shape, AFFINE), LABEL.numpy())
    cropped = AFFINE.copy()
    cropped[:3, 3] += AFFINE[:3, :3] @ [1, 0, 2]
    expected = LABEL.numpy().copy()
    expected[0], expected[:, :, :2] = 0, 0
    np.testing.assert_array_equal(on_grid(LABEL[1:, :, 2:], cropped, LABEL.shape, AFFINE), expected)


def test_a_finer_label_is_read_at_the_centres_of_the_scans_voxels() -> None:
    blocks = LABEL.repeat_interleave(3, 0).repeat_interleave(3, 1).repeat_interleave(3, 2)
    fine = AFFINE.copy()
    fine[:3, :3] /= 3
    fine[:3, 3] -= fine[:3, :3] @ [1, 1, 1]
    np.testing.assert_array_equal(on_grid(blocks, fine, LABEL.shape, AFFINE), LABEL.numpy())
    spaced = Spacing((0.5, 0.5, 0.5), mode="nearest")(MetaTensor(LABEL[None].float(), affine=torch.as_tensor(AFFINE)))
    found = on_grid(spaced[0].as_tensor().to(torch.uint8), spaced.affine.numpy(), LABEL.shape, AFFINE)
    assert (found == LABEL.numpy()).mean() > 0.95  # MONAI's own resampling loses single voxels at the border


def test_a_label_of_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing tells where it lies"):
        on_grid(LABEL, None, (9, 9, 9), AFFINE)


def test_items_that_cannot_be_taken_apart_are_known_by_their_file(tmp_path: Path) -> None:
    """Lists of points beside an image are taken for a batch of as many items."""
    images = {}
    for name in ("a", "b"):
        images[name] = str(tmp_path / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(LABEL.numpy(), AFFINE), images[name])
    collect = Engine(lambda *_: None)
    listed = [{"id": name, "image": path} for name, path in images.items()]
    collect_labels(collect, torch.nn.Identity(), None, listed, tmp_path / "labels", 3)
    image = MetaTensor(LABEL[None], affine=torch.as_tensor(AFFINE), meta={"filename_or_obj": images["b"]})
    collect.state.batch = [{"atso_id": "a"}, {"atso_id": "a"}, {"atso_id": "a"}]
    collect.state.output = [{"image": image, "pred": MetaTensor(LABEL[None], affine=torch.as_tensor(AFFINE))}]
    collect.fire_event(Events.ITERATION_COMPLETED)
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["b.nii.gz"]
