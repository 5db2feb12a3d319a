"""CoarseToFineInferer against a literal, slice by slice, numpy version of RSTN's testing."""

from __future__ import annotations

import itertools
import logging

import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from atso_monai.errors import ConfigError
from atso_monai.inferers import CoarseToFineInferer
from atso_monai.networks import RSTN, ViewNetworks

Volume = npt.NDArray[np.float32]
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
MARGIN = 2


class Bright(torch.nn.Module):
    """Logits that rise with the brightness around a pixel; padding makes it feel where it was cropped."""

    def __init__(self, seed: int, level: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.second = torch.nn.Conv2d(3, 3, 3, padding=1)
        with torch.no_grad():
            for layer, bias in ((self.first, 0.3), (self.second, -level)):
                layer.weight.copy_(0.15 * torch.randn(layer.weight.shape, generator=generator))
                layer.weight[range(3), range(3), 1, 1] += 2.0
                layer.bias.fill_(bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(image)))  # type: ignore[no-any-return]


def rstn(seed: int) -> RSTN:
    model = RSTN(Bright(seed, 2.6), Bright(seed + 1, 3.4), margin=MARGIN, divisible=1)
    generator = torch.Generator().manual_seed(seed + 2)
    with torch.no_grad():
        for layer in (model.saliency1, model.saliency2):
            layer.weight.copy_(0.1 * torch.randn(layer.weight.shape, generator=generator))
        model.saliency2.bias.fill_(1.0)
    return model.eval()


def networks(*views: str) -> dict[str, RSTN]:
    return {view: rstn(10 * n) for n, view in enumerate(AXES) if view in (views or AXES)}


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def triple(slices: Volume, j: int) -> Volume:
    return np.stack([slices[max(j - 1, 0)], slices[j], slices[min(j + 1, len(slices) - 1)]])


def run(network: torch.nn.Module, image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        return network(torch.from_numpy(image[None]).float())[0].double().numpy()  # type: ignore[no-any-return]


def averaged(predictions: dict[int, npt.NDArray[np.float64]], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The mean over the inputs that hold a slice, whether they were predicted or skipped."""
    total, number = np.zeros(shape), np.zeros(shape[0])
    for j, channel in itertools.product(range(shape[0]), range(3)):
        if 0 <= j + channel - 1 < shape[0]:
            number[j + channel - 1] += 1
            if j in predictions:
                total[j + channel - 1] += predictions[j][channel]
    return total / number[:, None, None]


def coarse_view(slices: Volume, model: RSTN) -> npt.NDArray[np.float64]:
    found = {j: sigmoid(run(model.coarse_model, triple(slices, j))) for j in range(len(slices))}
    return np.around(averaged(found, slices.shape) * 255) / 255


def fine_slice(image: Volume, score: Volume, mask: Volume, model: RSTN) -> npt.NDArray[np.float64]:
    _, rows, columns = np.nonzero(mask)
    top, bottom = max(rows.min() - MARGIN, 0), min(rows.max() + MARGIN + 1, mask.shape[1])
    left, right = max(columns.min() - MARGIN, 0), min(columns.max() + MARGIN + 1, mask.shape[2])
    weights = run(model.saliency2, np.maximum(run(model.saliency1, score), 0))
    out = np.zeros(mask.shape)
    inner = (image * weights)[:, top:bottom, left:right]
    out[:, top:bottom, left:right] = sigmoid(run(model.fine_model, inner))
    return out


def fine_view(image: Volume, score: Volume, mask: Volume, model: RSTN) -> npt.NDArray[np.float64]:
    found = {}
    for j in range(len(image)):
        if triple(mask, j).any():
            found[j] = fine_slice(triple(image, j), triple(score, j), triple(mask, j), model)
    return averaged(found, image.shape)


def large(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    components, number = ndimage.label(mask)
    sizes = [int((components == n + 1).sum()) for n in range(number)]
    kept = [n + 1 for n, size in enumerate(sizes) if 2 * size >= max(sizes)]
    return np.isin(components, kept)


def brute_force(
    image: Volume, models: dict[str, RSTN], threshold: float, max_rounds: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], list[float]]:
    views = [np.moveaxis(coarse_view(np.moveaxis(image, AXES[v], 0), m), 0, AXES[v]) for v, m in models.items()]
    score = np.mean(views, axis=0)
    mask = score >= 0.5
    dsc: list[float] = []
    while mask.any() and len(dsc) < max_rounds and not (dsc and dsc[-1] >= threshold):
        views = []
        for view, model in models.items():
            slices = [np.moveaxis(volume, AXES[view], 0) for volume in (image, score, mask)]
            views.append(np.moveaxis(fine_view(*slices, model), 0, AXES[view]))
        score, before = np.mean(views, axis=0), mask
        mask = large(score >= 0.5)
        dsc.append(2 * (before & mask).sum() / (before.sum() + mask.sum()))
    return score, mask, dsc


def blobs(shape: tuple[int, int, int], seed: int, coverage: float) -> Volume:
    """Bright blobs, some at the edges, that cover a part of the volume."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.3, mode="nearest")
    bright = noise > np.quantile(noise, 1 - coverage)
    return (0.8 * bright + 0.1 * np.random.default_rng(seed).random(shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "seed", "views"),
    [
        ((12, 14, 13), 0, ()),
        ((12, 14, 13), 1, ("sagittal", "axial")),
        ((20, 8, 16), 2, ()),
        ((1, 12, 9), 3, ()),
        ((10, 2, 12), 4, ()),
        ((9, 12, 1), 5, ("axial",)),
        ((2, 2, 13), 6, ()),
    ],
)
def test_exact_mode_is_the_literal_algorithm(shape: tuple[int, int, int], seed: int, views: tuple[str, ...]) -> None:
    image, models = blobs(shape, seed, 0.12), networks(*views)
    score, mask, dsc = brute_force(image, models, 0.99, 4)
    inferer = CoarseToFineInferer("exact", threshold=0.99, max_rounds=4)
    given = torch.from_numpy(image)[None, None]
    found = inferer(given, models)
    assert found.shape == (1, 1, *shape) and found.dtype == torch.float32
    assert mask.any() and not mask.all() and dsc
    np.testing.assert_array_equal(found[0, 0].numpy() >= 0.5, mask)
    np.testing.assert_allclose(found[0, 0].numpy()[mask], score[mask], atol=1e-5)
    np.testing.assert_allclose(found[0, 0].numpy(), np.where((score < 0.5) | mask, score, 0), atol=1e-5)
    assert inferer.last is not None
    assert inferer.last.dsc == pytest.approx(dsc)
    np.testing.assert_array_equal(given[0, 0].numpy(), blobs(shape, seed, 0.12))


def test_print() -> None:
    for s in range(8):
        image = blobs((12, 14, 13), s, 0.12)
        score, mask, dsc = brute_force(image, networks(), 0.99, 4)
        v = coarse_view(np.moveaxis(image, 0, 0), networks()["sagittal"])
        print(s, (image > 0.5).sum(), (v >= 0.5).sum(), mask.sum(), dsc)
