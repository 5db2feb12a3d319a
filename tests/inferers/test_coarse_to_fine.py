"""CoarseToFineInferer against a literal, slice by slice, numpy version of RSTN's testing."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.data import MetaTensor
from monai.engines import SupervisedEvaluator
from scipy import ndimage

from atso_monai.errors import ConfigError
from atso_monai.inferers import CoarseToFineInferer
from atso_monai.inferers.coarse_round import coarse_score, reach_of
from atso_monai.inferers.fine_round import region_around
from atso_monai.inferers.pace import fast_pace
from atso_monai.inferers.slices import with_neighbours
from atso_monai.losses import CoarseFineLoss
from atso_monai.metrics import foreground_dice
from atso_monai.networks import RSTN, FCN8s, SpaceToDepth, ViewNetworks
from atso_monai.phantom import TISSUES, phantom_case

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


def volume(seed: int = 0, shape: tuple[int, int, int] = (12, 14, 13)) -> torch.Tensor:
    return torch.from_numpy(blobs(shape, seed, 0.12))[None, None]


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_small_components_are_dropped_and_come_back_as_zero(mode: str) -> None:
    models = networks()
    found = CoarseToFineInferer(mode, max_rounds=1, precision="float32")(volume(), models)[0, 0].numpy()  # type: ignore[arg-type]
    score, mask, _ = brute_force(volume()[0, 0].numpy(), models, 0.99, 1)
    dropped = (score >= 0.5) & ~mask
    assert dropped.any()
    assert (found[dropped] == 0).all()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize(
    ("views", "kind"), [((), "fcn"), (("coronal",), "fcn"), (("axial", "coronal"), "fcn"), ((), "norm")]
)
def test_fast_mode_in_full_precision_is_exact(views: tuple[str, ...], kind: str, batch_size: int) -> None:
    models, tiny = {}, {"fcn": tiny_fcn, "norm": tiny_norm}[kind]
    for n, view in enumerate(AXES):
        torch.manual_seed(n)
        model = RSTN(tiny(), tiny(), margin=MARGIN, divisible=4).eval()
        model.saliency1.load_state_dict(rstn(n).saliency1.state_dict())
        model.saliency2.load_state_dict(rstn(n).saliency2.state_dict())
        if view in (views or AXES):
            models[view] = model
    inferer = CoarseToFineInferer("exact", threshold=1, max_rounds=3)
    exact = inferer(volume(), models)
    fast = CoarseToFineInferer(threshold=1, max_rounds=3, precision="float32", batch_size=batch_size)(volume(), models)
    assert (exact >= 0.5).any() and not (exact >= 0.5).all()
    torch.testing.assert_close(fast, exact, atol=1e-4, rtol=0)


def tiny_fcn() -> FCN8s:
    """A network that is bright where the image is, whose deeper layers are noise that depends on the crop."""
    network = FCN8s(channels=[4, 4, 4, 4, 4], convolutions=[1] * 5, hidden=6)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith("score"):
                torch.nn.init.normal_(value, std=0.5)
    return network


def tiny_norm() -> torch.nn.Module:
    """A network that normalises over all of its image, so that what lies around a box matters."""
    last = torch.nn.Conv2d(6, 3, 3, padding=1)
    torch.nn.init.normal_(last.weight, std=0.5)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.GroupNorm(2, 6), last)


def test_views_that_are_pruned_change_no_mask_and_no_score_that_counts() -> None:
    image = torch.zeros(60, 50, 55)
    image[20:30, 8:16, 25:33] = volume(2)[0, 0, :10, :8, :8]
    image[22:28, 10:14, 27:31] += 0.9
    models, counted = networks(), []
    models["axial"].coarse_model.register_forward_hook(lambda _m, given, _o: counted.append(len(given[0])))
    with torch.no_grad():
        whole, pruned = (
            coarse_score(image, models, dataclasses.replace(fast_pace(4, "float32"), prune=prune))
            for prune in (False, True)
        )
    assert 0 < sum(counted) - 55 < 30
    mask = whole >= 0.5
    assert mask.any() and torch.equal(mask, pruned >= 0.5)
    region = region_around(mask, reach_of(models["axial"]))
    assert torch.equal(whole[region], pruned[region])


def test_blank_slices_are_predicted_once_and_change_nothing() -> None:
    image = torch.zeros(40, 30, 24)
    image[12:22, 8:18, 6:14] = volume(1)[0, 0, :10, :10, :8]
    models, counted = networks("sagittal", "coronal"), []
    models["sagittal"].coarse_model.register_forward_hook(lambda _m, given, _o: counted.append(len(given[0])))
    with torch.no_grad():
        plain, pruned = (
            coarse_score(image, models, dataclasses.replace(fast_pace(4, "float32"), prune=prune), 1e-9)
            for prune in (False, True)
        )
    assert counted[: 40 // 4] == [4] * 10
    assert sum(counted[10:]) == 10 + 2 + 1  # those with something in them or beside them, and one for all others
    torch.testing.assert_close(pruned, plain)
    assert plain[0].max() > 0  # blank is not taken for empty


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_an_empty_mask_ends_the_case(mode: str) -> None:
    inferer = CoarseToFineInferer(mode)  # type: ignore[arg-type]
    found = inferer(torch.zeros(1, 1, 8, 9, 10), networks())
    assert found.shape == (1, 1, 8, 9, 10) and (found < 0.5).all()
    assert inferer.last is not None and (inferer.last.stopped, inferer.last.dsc) == ("empty", ())


def test_a_mask_that_a_fine_round_loses_ends_the_case() -> None:
    models = networks()
    for model in models.values():
        model.fine_model.second.bias.data.fill_(-50)
    inferer = CoarseToFineInferer("exact")
    assert (inferer(volume(), models) < 0.5).all()
    assert inferer.last is not None and (inferer.last.stopped, inferer.last.dsc) == ("empty", (0.0,))


def test_limits_and_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "atso_monai"):
        stops = {}
        for name, inferer in {
            "rounds": CoarseToFineInferer("exact", threshold=1, max_rounds=2),
            "none": CoarseToFineInferer("exact", max_rounds=0),
            "time": CoarseToFineInferer("exact", time_limit=0),
            "done": CoarseToFineInferer("exact", threshold=0.5),
        }.items():
            inferer(volume(), networks())
            assert inferer.last is not None
            stops[name] = (len(inferer.last.dsc), inferer.last.stopped)
    assert stops == {
        "rounds": (2, "round limit"),
        "none": (0, "round limit"),
        "time": (0, "time limit"),
        "done": (1, "converged"),
    }
    assert "Fine round 2: DSC to the round before 0." in caplog.text
    assert "2 fine round(s), round limit" in caplog.text


def test_coarse_threshold_counts_views() -> None:
    sizes = [
        int(
            (
                CoarseToFineInferer("exact", max_rounds=0, coarse_threshold=views / 3 - 1 / 6)(volume(), networks())
                >= 0.5
            ).sum()
        )
        for views in (1, 2, 3)
    ]
    assert sizes[0] >= sizes[1] >= sizes[2] > 0 and sizes[0] > sizes[2]


def test_evaluator_with_view_networks() -> None:
    models = ViewNetworks(rstn(0), {"sagittal": None, "coronal": None, "axial": None})  # type: ignore[dict-item]
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": MetaTensor(volume()), "label": None}],
        network=models.train(),
        inferer=CoarseToFineInferer(),
        prepare_batch=lambda batch, *_args, **_kwargs: (batch["image"], None),
        decollate=False,
    )
    evaluator.run()
    found = evaluator.state.output["pred"]
    assert found.shape == (1, 1, 12, 14, 13) and found.dtype == torch.float32 and (found >= 0.5).any()


def case(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A phantom and its liver, (48, 48, 24)."""
    found = phantom_case(seed, shape=(48, 48, 24))
    image = torch.from_numpy(found.image).float().add(100).div(340).clamp(0, 1)
    return image, torch.from_numpy((found.tissues == TISSUES["liver"]).astype(np.uint8))


def train(model: RSTN, cases: Sequence[tuple[torch.Tensor, torch.Tensor]], steps: int) -> None:
    """One network for all views."""
    optimizer, loss_function = torch.optim.Adam(model.parameters()), CoarseFineLoss()
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps) + 1e-4
        image, label = (volume.movedim(step // len(cases) % 3, 0) for volume in cases[step % len(cases)])
        slices = label.flatten(1).any(1).nonzero()[:, 0]
        first = int(torch.randint(max(1, len(slices) - 8), (1,), generator=generator))
        chosen = slices[first : first + 8].tolist()
        target = with_neighbours(label, chosen, 3)
        stage = "S" if step <= steps // 3 else "J"
        loss = loss_function(model(with_neighbours(image, chosen, 3), label=target, stage=stage), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_fast_mode_agrees_with_exact_mode_on_a_trained_network() -> None:
    torch.manual_seed(0)
    small: dict[str, Any] = {"channels": [8, 16, 32, 32, 32], "convolutions": [1] * 5, "hidden": 32}
    model = RSTN(FCN8s(**small), FCN8s(**small), margin=6)
    train(model, [case(seed) for seed in range(3)], 120)
    models = dict.fromkeys(AXES, model.eval())
    for seed in (50, 51):
        image, truth = case(seed)
        exact, fast = (CoarseToFineInferer(mode)(image[None, None], models)[0, 0] >= 0.5 for mode in ("exact", "fast"))
        assert foreground_dice(exact.numpy(), truth.numpy()) > 0.6
        assert foreground_dice(exact.numpy(), fast.numpy()) >= 0.99


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="mode must be one of fast, exact"):
        CoarseToFineInferer("quick")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"threshold must be above 0 and at most 1\. Received: 1\.5"):
        CoarseToFineInferer(threshold=1.5)
    with pytest.raises(ConfigError, match=r"must not be negative\. Received: max_rounds=-1"):
        CoarseToFineInferer(max_rounds=-1)
    with pytest.raises(ConfigError, match="precision must be one of"):
        CoarseToFineInferer(precision="int8")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"batch_size must be at least 1\. Received: 0"):
        CoarseToFineInferer(batch_size=0)
    with pytest.raises(ValueError, match="needs one volume of shape"):
        CoarseToFineInferer()(torch.zeros(2, 1, 4, 4, 4), networks())
    with pytest.raises(ValueError, match="Received: Conv2d for axial"):
        CoarseToFineInferer()(volume(), {"axial": torch.nn.Conv2d(3, 3, 1)})
    with pytest.raises(ValueError, match="The axial network is in training mode"):
        CoarseToFineInferer()(volume(), {"axial": rstn(0).train()})
    reduced = RSTN(Bright(0, 1), Bright(1, 1), autocast="bfloat16").eval()
    with pytest.raises(ConfigError, match="autocast to null"):
        CoarseToFineInferer("exact")(volume(), {"axial": reduced})
    inside = RSTN(Bright(0, 1), SpaceToDepth(Bright(1, 1), factor=1, autocast="bfloat16")).eval()
    with pytest.raises(ConfigError, match="autocast to null"):
        CoarseToFineInferer("exact")(volume(), {"axial": inside})
