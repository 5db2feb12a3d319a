"""Run a 2D network on folded pixels: a factor² smaller image with factor² more channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class SpaceToDepth(nn.Module):
    """Fold each ``factor`` x ``factor`` block of pixels into channels, run a 2D network, unfold its output.

    The network works on ``factor²`` times fewer positions, so that thin networks become several times faster on a
    CPU, and no pixel is thrown away. Source: the sub-pixel convolution of Shi et al., CVPR 2016 (arXiv:1609.05158),
    used at both ends.

    Args:
        network: 2D network from ``(N, C * factor², h, w)`` to ``(N, K * factor², h, w)``.
        factor: side of a block in pixels, at least 1.
        divisible: the network's own stride, i.e. what ``h`` and ``w`` must be divisible by (4 for a U-Net of three
            levels). Images of other sizes are padded at their end by repeating the last row and column, and the
            output is cropped back.
        autocast: ``"bfloat16"`` runs the network under ``torch.autocast`` in that type; its weights and the output
            stay float32. None leaves the type alone. A scripted copy (TorchScript) always runs in float32.

    Raises:
        ValueError: for another ``autocast``, or a ``factor`` or ``divisible`` below 1.

    Example::

        # 3 neighbour slices in, 2 classes out: 3 * 4 input channels and 2 * 4 output channels
        SpaceToDepth(DynUNet(2, 12, 8, [3, 3, 3], [1, 2, 2], [2, 2], filters=[16, 32, 64]), factor=2, divisible=4)
    """

    def __init__(self, network: nn.Module, factor: int = 2, divisible: int = 4, autocast: str | None = None) -> None:
        super().__init__()
        if factor < 1 or divisible < 1:
            raise ValueError(f"factor and divisible must be at least 1. Received: {factor=}, {divisible=}.")
        if autocast not in (None, "bfloat16"):
            raise ValueError(f"autocast must be 'bfloat16' or None. Received: {autocast=}.")
        self.network = network
        self.factor = factor
        self.multiple = factor * divisible
        self.reduced = autocast is not None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` to logits ``(N, K, H, W)`` for any ``H`` and ``W`` of at least one pixel."""
        height, width = image.shape[-2], image.shape[-1]
        folded = F.pixel_unshuffle(self._padded(image), self.factor)
        # Autocast cannot be scripted with a device known only at run time, and an exported copy has no need of it.
        if torch.jit.is_scripting() or not self.reduced:  # type: ignore[attr-defined]
            output = self.network(folded)
        else:
            with torch.autocast(image.device.type, torch.bfloat16):
                output = self.network(folded)
            output = output.float()
        return F.pixel_shuffle(output, self.factor)[..., :height, :width]

    def _padded(self, image: torch.Tensor) -> torch.Tensor:
        """Repeat the last row and column until both sizes divide by the factor times the network's stride."""
        below = -image.shape[-2] % self.multiple
        right = -image.shape[-1] % self.multiple
        if below == 0 and right == 0:
            return image
        return F.pad(image, [0, right, 0, below], mode="replicate")
