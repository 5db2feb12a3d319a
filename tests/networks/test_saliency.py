from __future__ import annotations

import torch

from atso_monai.networks import SaliencyTransform


def test_a_new_one_weighs_all_pixels_of_a_slice_alike() -> None:
    weights = SaliencyTransform()(torch.rand(2, 3, 9, 11))
    for channel, value in enumerate((1.0, 1.5, 2.0)):
        assert (weights[:, channel] == value).all()


def test_it_starts_as_the_release_does() -> None:
    torch.manual_seed(0)
    first = torch.stack([SaliencyTransform().saliency1.weight.detach() for _ in range(50)])
    assert abs(float(first.std()) - (2 / (27 + 27)) ** 0.5) < 0.01  # Xavier, for 3 x 3 x 3 in and out
    assert (SaliencyTransform().saliency1.bias == 1).all()


def test_any_number_of_slices_works_and_gradients_reach_the_probabilities_once_it_has_learned() -> None:
    transform = SaliencyTransform(5)
    torch.nn.init.normal_(transform.saliency2.weight)
    probabilities = torch.rand(1, 5, 7, 7, requires_grad=True)
    transform(probabilities).sum().backward()
    assert probabilities.grad is not None
    assert probabilities.grad.abs().max() > 0
