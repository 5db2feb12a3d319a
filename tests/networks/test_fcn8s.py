"""FCN-8s: sizes, the two paddings, its start, and that it can be copied, traced and exported."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from atso_monai.errors import ConfigError
from atso_monai.networks import FCN8s
from atso_monai.networks.fcn8s import bilinear_kernel

SMALL: dict[str, Any] = {"channels": [2, 3, 4, 4, 4], "convolutions": [1, 1, 1, 1, 1], "hidden": 4}


def drawn(padding: str = "same", **changes: Any) -> FCN8s:
    """A small network whose score layers and biases are not zero."""
    torch.manual_seed(0)
    network = FCN8s(**{**SMALL, **changes}, padding=padding).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return network


@pytest.mark.parametrize("padding", ["same", "caffe"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (26, 27), (31, 33), (64, 32), (97, 75)])
def test_any_size_gives_one_logit_per_pixel_and_channel(padding: str, size: tuple[int, int]) -> None:
    output = drawn(padding)(torch.randn(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert output.isfinite().all()


def test_far_from_the_edges_both_paddings_compute_the_same() -> None:
    same, caffe = drawn("same"), drawn("caffe")
    caffe.load_state_dict(same.state_dict())
    image = torch.rand(1, 3, 541, 574)
    with torch.no_grad():
        difference = (same(image) - caffe(image)).abs()
    assert difference[..., 250:280, 250:300].max() < 1e-6
    assert difference.max() > 1e-3


def test_the_names_and_number_of_weights_are_those_of_vgg_16_with_three_scores() -> None:
    with torch.device("meta"):
        network = FCN8s()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["fc6.weight"] == (4096, 512, 7, 7)
    assert shapes["conv5_3.bias"] == (512,)
    assert shapes["upscore8.weight"] == (3, 3, 16, 16)
    assert "upscore8.bias" not in shapes
    assert list(shapes)[:4] == ["conv1_1.weight", "conv1_1.bias", "conv1_2.weight", "conv1_2.bias"]
    vgg = 14_714_688 + 102_764_544 + 16_781_312  # its convolutions, fc6 and fc7
    assert sum(v.numel() for v in network.parameters() if v.requires_grad) == vgg + 3 * (4097 + 513 + 257)


def test_upsampling_starts_bilinear_for_each_channel_alone_and_is_not_trained() -> None:
    network = FCN8s(**SMALL)
    for layer in (network.upscore2, network.upscore_pool4, network.upscore8):
        assert not layer.weight.requires_grad
        assert torch.equal(layer.weight[1, 1], bilinear_kernel(layer.kernel_size[0]))
        assert layer.weight[0, 1].abs().max() == 0
    flat = torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 5, 5), bilinear_kernel(4)[None, None], stride=2)
    torch.testing.assert_close(flat[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


def test_it_starts_undecided_and_with_activations_that_neither_fade_nor_grow() -> None:
    torch.manual_seed(0)
    network = FCN8s(channels=[32] * 5, hidden=64)
    image = torch.rand(4, 3, 64, 64)
    assert network(image).abs().max() == 0
    assert 0.1 < network._classified(network._pools(image)[-1]).std() / image.std() < 10


def test_dropout_is_there_in_training_only() -> None:
    network, image = drawn(), torch.rand(1, 3, 40, 40)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_copies_of_any_kind_give_the_same_output() -> None:
    network, image = drawn(), torch.rand(2, 3, 45, 38)
    expected = network(image)
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, image), file)
    file.seek(0)
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network)), torch.jit.load(file)]
    copies.append(torch.export.export(network, (image,)).module())
    copies.append(network.to(memory_format=torch.channels_last))
    for one in copies:
        torch.testing.assert_close(one(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 2, 8, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"image must be \(N, 3, H, W\)\. Received"):
        drawn()(torch.zeros(shape))


def test_other_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"padding must be one of same, caffe\. Received: 'cafe'\. Did you mean"):
        FCN8s(padding="cafe")
    with pytest.raises(ConfigError, match="channels must be five positive numbers"):
        FCN8s(channels=[8, 8, 8])
    with pytest.raises(ConfigError, match="convolutions must be five positive numbers"):
        FCN8s(channels=[8] * 5, convolutions=[1, 1, 0, 1, 1])
