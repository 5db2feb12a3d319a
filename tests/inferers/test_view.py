"""ViewInferer against a loop over single slices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from atso_monai.inferers import ViewInferer
from atso_monai.networks.rstn import CoarseFine

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
SHAPE = (5, 7, 6)


class Pixelwise(torch.nn.Module):
    """A fixed 1x1 convolution: every output pixel depends on the slices at that pixel alone."""

    def __init__(self, seed: int, context: int = 3, classes: int = 3) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(context, classes, 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.conv.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))
        self.sizes: list[int] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(image))
        return self.conv(image)  # type: ignore[no-any-return]


def brute_force(volume: np.ndarray, network: Pixelwise, view: str, context: int, activation: str) -> np.ndarray:
    """Class probabilities (C, X, Y, Z), slice by slice."""
    axis, reach = AXES[view], context // 2
    out = []
    for index in range(volume.shape[axis]):
        near = [min(max(index + d, 0), volume.shape[axis] - 1) for d in range(-reach, reach + 1)]
        stack = np.stack([np.take(volume, one, axis) for one in near])
        logits = network.conv(torch.from_numpy(stack)[None])[0].detach().numpy()
        if activation == "softmax":
            exp = np.exp(logits - logits.max(0))
            out.append(exp / exp.sum(0))
        else:
            p = 1 / (1 + np.exp(-logits[0]))
            out.append(np.stack([1 - p, p]))
    return np.stack(out, axis=axis + 1)


@pytest.fixture
def volume() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("views", [("axial",), ("coronal", "sagittal"), ("sagittal", "coronal", "axial")])
@pytest.mark.parametrize(
    ("context", "batch_size", "activation"),
    [(1, 1, "softmax"), (3, 4, "softmax"), (5, 100, "softmax"), (3, 2, "sigmoid")],
)
def test_mean_of_views_is_that_of_single_slices(
    volume: torch.Tensor, views: tuple[str, ...], context: int, batch_size: int, activation: Any
) -> None:
    classes = 3 if activation == "softmax" else 1
    networks = {view: Pixelwise(n, context, classes) for n, view in enumerate(views)}
    before = volume.clone()
    with torch.no_grad():
        found = ViewInferer(context, batch_size, activation)(volume[None, None], networks)
    expected = np.mean(
        [brute_force(volume.numpy(), networks[view], view, context, activation) for view in views], axis=0
    )
    assert found.shape == (1, max(classes, 2), *SHAPE)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(found[0].sum(0).numpy(), 1, atol=1e-5)
    assert torch.equal(volume, before)
    assert all(max(network.sizes) <= batch_size for network in networks.values())


def test_votes_with_ties_go_to_the_higher_mean_probability(volume: torch.Tensor) -> None:
    networks = {view: Pixelwise(n, 3, 4) for n, view in enumerate(AXES)}
    with torch.no_grad():
        found = ViewInferer(fuse="vote")(volume[None, None], networks)[0].numpy()
    each = np.stack([brute_force(volume.numpy(), networks[view], view, 3, "softmax") for view in AXES])
    ties = 0
    for voxel in itertools.product(*map(range, SHAPE)):
        probabilities = each[(slice(None), slice(None), *voxel)]
        votes = np.bincount(probabilities.argmax(1), minlength=4)
        winners = np.flatnonzero(votes == votes.max())
        ties += len(winners) > 1
        expected = winners[probabilities.mean(0)[winners].argmax()]
        assert found[(slice(None), *voxel)].argmax() == expected
    assert ties > 5
    assert found.min() >= 0
    assert found.max() <= 1 + 0.5


def test_a_vote_beats_any_probability() -> None:
    class Constant(torch.nn.Module):
        def __init__(self, *logits: float) -> None:
            super().__init__()
            self.logits = torch.tensor(logits)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.logits[None, :, None, None].expand(len(image), -1, *image.shape[-2:])

    networks = {"axial": Constant(0.01, 0), "coronal": Constant(0.01, 0), "sagittal": Constant(0, 20)}
    volume = torch.zeros(1, 1, 2, 2, 2)
    assert (ViewInferer(fuse="vote")(volume, networks)[0].argmax(0) == 0).all()
    assert (ViewInferer(fuse="mean")(volume, networks)[0].argmax(0) == 1).all()


@pytest.mark.parametrize("shape", [(5, 7, 6), (1, 4, 2)])
@pytest.mark.parametrize(("context", "batch_size", "activation"), [(3, 2, "sigmoid"), (3, 50, "none"), (5, 3, "none")])
def test_overlapping_predictions_of_all_slices_are_averaged(
    shape: tuple[int, int, int], context: int, batch_size: int, activation: Any
) -> None:
    volume = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    networks = {view: Pixelwise(n, context, context) for n, view in enumerate(AXES)}
    inferer = ViewInferer(context, batch_size, activation, predicts="all")
    with torch.no_grad():
        found = inferer(volume[None, None], networks)[0].numpy()
    views, reach = [], context // 2
    for view, axis in AXES.items():
        slices = np.moveaxis(volume.numpy(), axis, 0)
        told: list[list[np.ndarray]] = [[] for _ in slices]
        for middle in range(len(slices)):
            places = range(middle - reach, middle + reach + 1)
            stack = np.stack([slices[min(max(place, 0), len(slices) - 1)] for place in places])
            output = networks[view].conv(torch.from_numpy(stack)[None])[0].detach().numpy()
            channels = 1 / (1 + np.exp(-output)) if activation == "sigmoid" else output
            for place, channel in zip(places, channels, strict=True):
                if 0 <= place < len(slices):
                    told[place].append(channel)
        views.append(np.moveaxis(np.stack([np.mean(one, axis=0) for one in told]), 0, axis))
    np.testing.assert_allclose(found[1], np.mean(views, axis=0), atol=1e-5)
    np.testing.assert_allclose(found[0], 1 - found[1], atol=1e-5)
    assert all(max(network.sizes) <= batch_size for network in networks.values())


def test_the_last_of_several_outputs_counts(volume: torch.Tensor) -> None:
    class Two(Pixelwise):
        def forward(self, image: torch.Tensor) -> Any:
            return CoarseFine(torch.zeros_like(image), super().forward(image).sigmoid())

    one, two = Pixelwise(0), Two(0)
    with torch.no_grad():
        expected = ViewInferer(activation="sigmoid", predicts="all")(volume[None, None], {"axial": one})
        found = ViewInferer(activation="none", predicts="all")(volume[None, None], {"axial": two})
    torch.testing.assert_close(found, expected)


def test_channels_that_do_not_fit_the_prediction(volume: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"must have 3 output channel\(s\)\. Received: 2"):
        ViewInferer(activation="none", predicts="all")(volume[None, None], {"axial": Pixelwise(0, classes=2)})
    with pytest.raises(ValueError, match=r"must have 1 output channel\(s\)\. Received: 3"):
        ViewInferer(activation="sigmoid")(volume[None, None], {"axial": Pixelwise(0)})
    with pytest.raises(ValueError, match="predicts 'all' needs activation"):
        ViewInferer(predicts="all")


@pytest.mark.parametrize("shape", [(2, 1, 3, 3, 3), (1, 2, 3, 3, 3), (1, 1, 3, 3), (3, 3, 3)])
def test_one_volume_at_a_time(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs one volume of shape"):
        ViewInferer()(torch.zeros(shape), {"axial": Pixelwise(0)})


def test_what_cannot_be() -> None:
    volume = torch.zeros(1, 1, 2, 2, 2)
    with pytest.raises(ValueError, match=r"Received: \['axail'\]"):
        ViewInferer()(volume, {"axail": Pixelwise(0)})
    with pytest.raises(ValueError, match="at least one view"):
        ViewInferer()(volume, {})
    for context in (0, 2, -1):
        with pytest.raises(ValueError, match="context must be odd and positive"):
            ViewInferer(context)
    with pytest.raises(ValueError, match="Received: 'median'"):
        ViewInferer(fuse="median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Received: 'relu'"):
        ViewInferer(activation="relu")  # type: ignore[arg-type]
