"""The saliency transformation: what the coarse network found becomes weights of the image for the fine one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class SaliencyTransform(nn.Module):
    """Weights of the pixels of an image, from the probabilities of a coarse segmentation.

    Source: Yu et al., CVPR 2018 (arXiv:1709.04518), section 3.2; layers and start of OrganSegRSTN: a 3 x 3 convolution
    (Xavier, biases 1), ReLU, and a 5 x 5 convolution (weights 0, biases 1, 1.5, 2). A new one thus weighs all pixels
    of a slice alike.

    Args:
        channels: number of adjacent slices; the last biases rise evenly from 1 to 2.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.saliency1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.saliency2 = nn.Conv2d(channels, channels, 5, padding=2)
        draw_saliency(self.saliency1, self.saliency2)

    def forward(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Map probabilities ``(N, channels, H, W)`` to weights of the same shape, unbounded."""
        return saliency(probabilities, self.saliency1, self.saliency2)


def saliency(probabilities: torch.Tensor, first: nn.Module, second: nn.Module) -> torch.Tensor:
    """Apply the two convolutions of a :class:`SaliencyTransform`."""
    weights: torch.Tensor = second(F.relu(first(probabilities)))
    return weights


@torch.no_grad()
def draw_saliency(first: nn.Conv2d, second: nn.Conv2d, seed: int | None = None) -> None:
    """Set both convolutions to a new start; without a seed, torch's own generator draws."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    drawn = torch.empty(first.weight.shape)  # on the CPU: the same start on every device
    first.weight.copy_(nn.init.xavier_normal_(drawn, generator=generator))
    second.weight.zero_()
    if first.bias is not None and second.bias is not None:
        first.bias.fill_(1.0)
        second.bias.copy_(torch.linspace(1.0, 2.0, len(second.bias)))
