"""The released network against the release's own outputs, and the files of others."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from atso_monai.errors import CheckpointError
from atso_monai.losses import CoarseFineLoss
from atso_monai.networks import RSTN, FCN8s, load_released, load_weights, released_rstn, start_rstn

FIXTURES = Path(__file__).parents[2] / ".." / "shared" / "fixtures" / "rstn_parity.npz"
CASES = [(7, 64, 80), (8, 97, 75)]
SMALL: dict[str, Any] = {"channels": [2, 3, 4, 5, 6], "hidden": 7}

State = dict[str, torch.Tensor]


def weight(key: str, shape: torch.Size) -> torch.Tensor:
    """The weights that the fixtures were made with, by the release's name."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    if "upscore" in key:
        side = shape[-1]
        factor = (side + 1) // 2
        ramp = 1 - (torch.arange(side, dtype=torch.float64) - (factor - 0.5)).abs() / factor
        kernel = torch.zeros(shape)
        for channel in range(shape[0]):
            kernel[channel, channel] = (ramp[:, None] * ramp[None, :]).float()
        return kernel
    if key.endswith("bias"):
        return 0.05 * torch.randn(shape, generator=generator)
    return torch.randn(shape, generator=generator) * math.sqrt(2 / (shape[1] * shape[2] * shape[3]))


def data(seed: int, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand((1, 3, h, w), generator=torch.Generator().manual_seed(seed))
    label = torch.zeros((1, 3, h, w))
    for c in range(3):
        label[0, c, h // 4 + 2 * c : h // 2 + 3 * c, w // 3 - c : w // 2 + 4 * c] = 1
    return image, label


@pytest.fixture(scope="module")
def released() -> Iterator[RSTN]:
    if not FIXTURES.is_file():
        pytest.skip("the outputs of the released network are not beside the project: shared/fixtures/rstn_parity.npz")
    with torch.device("meta"):  # no time for a start that is not kept
        model = released_rstn()
    state = {key: weight(key, value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    yield model.eval()


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "h", "w"), CASES)
def test_every_stage_gives_what_the_release_gives(released: RSTN, seed: int, h: int, w: int) -> None:
    image, label = data(seed, h, w)
    score = torch.rand((1, 3, h, w), generator=torch.Generator().manual_seed(seed + 1000))
    with np.load(FIXTURES) as fixtures, torch.no_grad():
        for stage in "SIJ":
            output = released(image, label=label, stage=stage)
            found = {**output._asdict(), "loss": CoarseFineLoss()(output, label)}
            for name, value in found.items():
                expected = torch.from_numpy(fixtures[f"{seed}_{h}x{w}_{stage}_{name}"])
                assert (value - expected).abs().max() < 1e-5, (stage, name)
        fine = released.refine(image, score=score, mask=label)
        assert (fine - torch.from_numpy(fixtures[f"{seed}_{h}x{w}_F_fine"])).abs().max() < 1e-5


@pytest.fixture
def model() -> RSTN:
    torch.manual_seed(0)
    return RSTN(FCN8s(**SMALL), FCN8s(**SMALL))


def drawn(model: nn.Module, seed: int = 1) -> State:
    """Other weights of the same shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(value.shape, generator=generator) for name, value in model.state_dict().items()}


def saved(path: Path, state: State) -> Path:
    torch.save(state, path)
    return path


def convolutions(state: State) -> State:
    """What an FCN-8s of 21 classes holds, made from the state of a coarse network."""
    start = "coarse_model."
    own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start) and "score" not in k}
    scores = {"score_fr.weight": torch.rand(21, 7, 1, 1), "upscore8.weight": torch.rand(21, 21, 16, 16)}
    return own | scores


VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def vgg16(state: State) -> State:
    """The same convolutions as torchvision names and shapes them."""
    own = convolutions(state)
    layers = [name for name in own if name.startswith("conv") and name.endswith("weight")]
    renamed = {name.removesuffix(".weight"): f"features.{n}" for name, n in zip(layers, VGG16, strict=True)}
    renamed |= {"fc6": "classifier.0", "fc7": "classifier.3"}
    content = {}
    for name, value in own.items():
        layer, part = name.rsplit(".", 1)
        if layer in renamed:
            flat = value.flatten(1) if layer in ("fc6", "fc7") and part == "weight" else value
            content[f"{renamed[layer]}.{part}"] = flat
    return content | {"classifier.6.weight": torch.rand(1000, 7), "classifier.6.bias": torch.rand(1000)}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_released_checkpoint_fills_everything_upsampling_too(tmp_path: Path, model: RSTN, prefix: str) -> None:
    state = drawn(model)
    path = saved(tmp_path / "rstn.pkl", {prefix + name: value for name, value in state.items()})
    assert load_released(model, path) == ((), ())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not model.fine_model.upscore8.weight.requires_grad


@pytest.mark.parametrize("make", [convolutions, vgg16])
def test_fcn_8s_and_vgg_16_fill_both_networks_but_for_the_scores(tmp_path: Path, model: RSTN, make: Any) -> None:
    state, before = drawn(model), {name: value.clone() for name, value in model.state_dict().items()}
    left = load_released(model, saved(tmp_path / "start.pth", make(state)))
    for name, value in model.state_dict().items():
        if "score" in name or "saliency" in name:
            assert torch.equal(value, before[name])
            assert name in left.network
        else:
            source = name.replace("fine_model", "coarse_model")
            assert torch.equal(value, state[source])
            assert name not in left.network
    own = ("score_fr.weight", "upscore8.weight")
    assert left.file == (own if make is convolutions else ("classifier.6.bias", "classifier.6.weight"))


def test_a_single_fcn_8s_takes_a_start_file_too(tmp_path: Path, model: RSTN) -> None:
    state = drawn(model)
    network = FCN8s(**SMALL)
    load_released(network, saved(tmp_path / "start.pth", convolutions(state)))
    assert torch.equal(network.conv3_2.weight, state["coarse_model.conv3_2.weight"])


def without(state: State, key: str) -> State:
    return {name: value for name, value in state.items() if name != key}


WRONG = [
    ("missing in the file: fine_model.fc7.bias", lambda s: without(s, "fine_model.fc7.bias")),
    ("unknown in the file: fine_model.score_pool2.bias", lambda s: s | {"fine_model.score_pool2.bias": torch.ones(3)}),
    (r"saliency1.bias: \(4,\) in the file, \(3,\) in the", lambda s: s | {"saliency1.bias": torch.ones(4)}),
    ("NaN or infinite, first fine_model.fc7.bias", lambda s: s | {"fine_model.fc7.bias": torch.full((7,), math.nan)}),
    ("missing in the file: fc6.weight", lambda s: without(convolutions(s), "fc6.weight")),
    ("unknown in the file: conv1_3.weight", lambda s: convolutions(s) | {"conv1_3.weight": torch.ones(1)}),
    ("unknown in the file: features.1.running_mean", lambda s: vgg16(s) | {"features.1.running_mean": torch.ones(2)}),
    ("missing in the file: classifier.0.weight", lambda s: without(vgg16(s), "classifier.0.weight")),
    ("missing in the file: conv1_1.weight", lambda s: {"layer1.0.weight": torch.ones(2)}),
]


@pytest.mark.parametrize(("words", "change"), WRONG)
def test_a_file_that_does_not_fit_is_refused_and_fills_nothing(
    tmp_path: Path, model: RSTN, words: str, change: Any
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    path = saved(tmp_path / "wrong.pkl", change(drawn(model)))
    with pytest.raises(CheckpointError, match=words):
        load_released(model, path)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_files_that_hold_code_or_nothing_are_refused(tmp_path: Path, model: RSTN) -> None:
    torch.save(model, tmp_path / "code.pkl")
    with pytest.raises(CheckpointError, match="not a checkpoint that can be read safely"):
        load_released(model, tmp_path / "code.pkl")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_released(model, tmp_path / "missing.pkl")
    with pytest.raises(CheckpointError, match="Linear holds no FCN8s"):
        load_released(nn.Linear(1, 1), saved(tmp_path / "start.pth", convolutions(drawn(model))))


def test_a_training_starts_as_drawn_from_others_or_from_a_snapshot_with_new_saliency(
    tmp_path: Path, model: RSTN, caplog: pytest.LogCaptureFixture
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert start_rstn(model, redraw_saliency=3) is model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    state = drawn(model)
    start, snapshot = saved(tmp_path / "start.pth", convolutions(state)), tmp_path / "snapshot.pt"
    with caplog.at_level("INFO"):
        start_rstn(model, pretrained=start)
    assert "score_fr.weight, upscore8.weight" in caplog.text
    assert torch.equal(model.fine_model.fc6.bias, state["coarse_model.fc6.bias"])

    torch.save({"model": state}, snapshot)
    start_rstn(model, snapshot, start, redraw_saliency=3)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == {"saliency1.weight", "saliency1.bias", "saliency2.weight", "saliency2.bias"}
    assert load_weights(model, snapshot) is start_rstn(model, snapshot)
