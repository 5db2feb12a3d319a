"""SpaceToDepth: the fold is lossless, any size works, the type comes back, and it can be exported."""

import io

import pytest
import torch
from monai.networks.nets import DynUNet, UNet
from torch import nn

from atso_monai.networks.space_to_depth import SpaceToDepth


def u_net(classes: int = 2, autocast: str | None = None) -> SpaceToDepth:
    torch.manual_seed(0)
    norm = ("GROUP", {"num_groups": 4, "affine": True})
    network = DynUNet(2, 12, classes * 4, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 16], norm_name=norm)
    return SpaceToDepth(network, factor=2, divisible=4, autocast=autocast).eval()


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 30), (31, 5)])
def test_with_an_identity_network_every_pixel_comes_back_unchanged(factor, size):
    image = torch.randn(2, 3, *size)
    assert torch.equal(SpaceToDepth(nn.Identity(), factor)(image), image)


@pytest.mark.parametrize("size", [(56, 44), (35, 49), (8, 8), (3, 70)])
def test_any_size_gives_one_logit_per_pixel_and_class(size):
    assert u_net(classes=3)(torch.randn(2, 3, *size)).shape == (2, 3, *size)


def test_the_inner_network_sees_blocks_as_channels_in_sizes_it_divides():
    seen = []

    class Probe(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x[:, :4]

    image = torch.randn(1, 3, 10, 20)
    SpaceToDepth(Probe(), factor=2, divisible=4)(image)
    assert seen[0].shape == (1, 12, 8, 12)
    assert torch.equal(seen[0][0, :4, 0, 0], image[0, 0, :2, :2].flatten())
    assert torch.equal(seen[0][0, 0, :, 0], torch.cat([image[0, 0, ::2, 0], image[0, 0, -1:, 0].expand(3)]))


def test_padding_to_the_right_size_by_hand_changes_nothing():
    image = torch.randn(1, 3, 14, 21)
    padded = nn.functional.pad(image, [0, 3, 0, 2], mode="replicate")
    assert torch.equal(u_net()(image), u_net()(padded)[..., :14, :21])


def test_bfloat16_gives_float32_near_the_full_precision_result():
    image = torch.randn(2, 3, 32, 32)
    full, reduced = u_net()(image), u_net(autocast="bfloat16")(image)
    assert reduced.dtype == torch.float32
    assert not torch.equal(full, reduced)
    torch.testing.assert_close(full, reduced, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("autocast", [None, "bfloat16"])
def test_the_same_seed_trains_to_the_same_weights(autocast):
    def trained() -> list[torch.Tensor]:
        network = u_net(autocast=autocast).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
        torch.manual_seed(1)
        for _ in range(3):
            optimiser.zero_grad()
            network(torch.randn(2, 3, 20, 20)).square().mean().backward()
            optimiser.step()
        return [weight.detach().clone() for weight in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(trained(), trained(), strict=True))


@pytest.mark.parametrize("autocast", [None, "bfloat16"])
def test_a_scripted_copy_survives_saving_and_runs_in_float32(autocast):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(u_net(autocast=autocast)), file)
    file.seek(0)
    image = torch.randn(1, 3, 21, 40)
    torch.testing.assert_close(torch.jit.load(file)(image), u_net()(image))


def test_monais_residual_u_net_fits_too():
    network = SpaceToDepth(UNet(2, 12, 8, (8, 16, 16), (2, 2), num_res_units=1), factor=2, divisible=4)
    assert network(torch.randn(1, 3, 13, 22)).shape == (1, 2, 13, 22)


def test_images_stay_as_they_were():
    image = torch.randn(1, 3, 9, 9)
    before = image.clone()
    u_net()(image)
    assert torch.equal(image, before)


@pytest.mark.parametrize("setting", [{"factor": 0}, {"divisible": 0}, {"autocast": "float16"}, {"autocast": "half"}])
def test_settings_that_cannot_work_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SpaceToDepth(nn.Identity(), **setting)
