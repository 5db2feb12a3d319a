"""FCN-8s: the VGG-16 network that RSTN uses twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from atso_monai.errors import ConfigError, one_of

_Extents = Sequence[tuple[int, int]] | None
"""Rows and columns of a layer that belong to each item of a batch; None where all do."""


class _Padding(NamedTuple):
    """Paddings of the layers, and offsets of the crops before two layers are added."""

    conv1_1: int
    fc6: int
    upscore2: int
    upscore_pool4: int
    upscore8: int
    score_pool4: int
    score_pool3: int
    output: int


# Caffe's padding of 100 puts pixel 0 at 99 = 3 * 32 + 3 of the grid that is pooled, and fc6 takes 3 cells off each end.
# "same" leaves those 3 cells out: pixel 0 is at 3, so that every pooling cell holds the same pixels, and as many
# cells come out of fc6. The offsets are Caffe's less 96 / 16, 96 / 8 and 96, reached by padding the upsampling.
PADDINGS = {
    "same": _Padding(4, 3, 1, 1, 4, score_pool4=0, score_pool3=0, output=3),
    "caffe": _Padding(100, 0, 0, 0, 0, score_pool4=5, score_pool3=9, output=31),
}


class FCN8s(nn.Module):
    """Fully convolutional network with skips from the strides 8 and 16; logits at full size, for any H and W.

    Sources: Long et al., CVPR 2015 (arXiv:1411.4038); layer names, padding and crops of OrganSegRSTN (Yu et al., CVPR
    2018, arXiv:1709.04518). The defaults are VGG-16 with 134 million weights; ``channels=[16, 32, 64, 64, 64],
    convolutions=[1, 1, 1, 1, 1], hidden=64`` is a small one.

    Convolutions start as He et al. 2015 (arXiv:1502.01852), score layers at zero. The transposed convolutions are
    bilinear interpolation of each channel and are never trained.

    Args:
        in_channels: channels of the image (adjacent slices).
        out_channels: channels of the logits.
        channels: width of the five blocks, each of which ends in a 2 x 2 pooling.
        convolutions: number of 3 x 3 convolutions of each block.
        hidden: width of ``fc6`` and ``fc7``.
        padding: ``same`` works on a grid of (H + 6) x (W + 6); ``caffe``, with its 100 zeros around the image, on
            (H + 198) x (W + 198) as the released networks do. Weights are the same, and the pooling cells too: far
            from the edge of the image both compute the same.
        dropout: share of the channels of ``fc6`` and ``fc7`` that is dropped in training.

    Raises:
        ConfigError: for another ``padding``, or widths and numbers that are not five positive ones.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        convolutions: Sequence[int] = (2, 2, 3, 3, 3),
        hidden: int = 4096,
        padding: str = "same",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        one_of("padding", padding, list(PADDINGS))
        for name, values in (("channels", channels), ("convolutions", convolutions)):
            if len(values) != 5 or min(values) < 1:
                raise ConfigError(f"{name} must be five positive numbers, one per block. Received: {list(values)}.")
        self.in_channels, self.convolutions = in_channels, tuple(convolutions)
        self.padding, self.dropout = padding, dropout
        self._add_encoder(channels, hidden, PADDINGS[padding])
        self._add_decoder(channels, out_channels, hidden, PADDINGS[padding])
        for name, layer in self.named_children():
            _initialise(name, layer)

    def _add_encoder(self, channels: Sequence[int], hidden: int, padding: _Padding) -> None:
        before = self.in_channels
        widths = [width for width, count in zip(channels, self.convolutions, strict=True) for _ in range(count)]
        for name, width in zip(self.names(), widths, strict=True):
            self.add_module(name, nn.Conv2d(before, width, 3, padding=padding.conv1_1 if name == "conv1_1" else 1))
            before = width
        self.fc6 = nn.Conv2d(before, hidden, 7, padding=padding.fc6)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)

    def _add_decoder(self, channels: Sequence[int], out: int, hidden: int, padding: _Padding) -> None:
        self.score_fr = nn.Conv2d(hidden, out, 1)
        self.score_pool4 = nn.Conv2d(channels[3], out, 1)
        self.score_pool3 = nn.Conv2d(channels[2], out, 1)
        self.upscore2 = nn.ConvTranspose2d(out, out, 4, 2, padding.upscore2, bias=False)
        self.upscore_pool4 = nn.ConvTranspose2d(out, out, 4, 2, padding.upscore_pool4, bias=False)
        self.upscore8 = nn.ConvTranspose2d(out, out, 16, 8, padding.upscore8, bias=False)

    def names(self, block: int | None = None) -> list[str]:
        """Names of the 3 x 3 convolutions, ``conv<block>_<number>`` from 1, of one block or of all, in order."""
        blocks = range(1, 6) if block is None else [block]
        return [f"conv{b}_{n}" for b in blocks for n in range(1, self.convolutions[b - 1] + 1)]

    def forward(self, image: torch.Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> torch.Tensor:
        """Map ``(N, in_channels, H, W)`` to logits ``(N, out_channels, H, W)``.

        Args:
            image: the images.
            sizes: height and width of each item, where it takes up only the upper left part of its image. There it
                gets the logits of an image of that size, as if it were alone; those beyond mean nothing.

        Raises:
            ValueError: for any other shape.
        """
        if not is_tracing() and (image.ndim != 4 or image.shape[1] != self.in_channels):
            raise ValueError(f"image must be (N, {self.in_channels}, H, W). Received: {tuple(image.shape)}.")
        offset = PADDINGS[self.padding]
        height, width = image.shape[-2:]
        blocks, pooled, scored = _extents(sizes, offset)
        pools = self._pools(image if sizes is None else _cleared(image.clone(), sizes), blocks)
        upper: torch.Tensor = self.upscore2(_cleared(self.score_fr(self._classified(pools[4], scored)), scored))
        both = _both(_grown(scored, 2 - 2 * offset.upscore2, 2), _grown(pooled[3], -offset.score_pool4))
        upper = _cleared(_sum(upper, self.score_pool4(pools[3]), offset.score_pool4), both)
        both = _both(_grown(both, 2 - 2 * offset.upscore_pool4, 2), _grown(pooled[2], -offset.score_pool3))
        upper = _cleared(_sum(self.upscore_pool4(upper), self.score_pool3(pools[2]), offset.score_pool3), both)
        upper = self.upscore8(upper)
        return upper[..., offset.output : offset.output + height, offset.output : offset.output + width].contiguous()

    def _pools(self, x: torch.Tensor, extents: Sequence[_Extents] = (None,) * 5) -> list[torch.Tensor]:
        """Output of the five blocks, at strides 2 to 32."""
        pools = []
        for block, extent in zip(range(1, 6), extents, strict=True):
            for name in self.names(block):
                x = F.relu(_cleared(self.get_submodule(name)(x), extent), inplace=True)
            x = F.max_pool2d(x, 2, ceil_mode=True)
            pools.append(x)
        return pools

    def _classified(self, x: torch.Tensor, extents: _Extents = None) -> torch.Tensor:
        for layer in (self.fc6, self.fc7):
            x = F.dropout2d(F.relu(_cleared(layer(x), extents), inplace=True), self.dropout, self.training)
        return x


def is_tracing() -> bool:
    """Whether ``torch.jit.trace`` is at work, for which a look at a shape is a warning."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined,no-untyped-call]


def bilinear_kernel(side: int) -> torch.Tensor:
    """Weights (side, side) of a transposed convolution that interpolates bilinearly, at a stride of half its side."""
    factor = (side + 1) // 2
    centre = factor - 1 if side % 2 else factor - 0.5
    ramp = 1 - (torch.arange(side, dtype=torch.float64) - centre).abs() / factor
    return (ramp[:, None] * ramp[None, :]).float()


def _initialise(name: str, layer: nn.Module) -> None:
    if isinstance(layer, nn.ConvTranspose2d):
        with torch.no_grad():
            layer.weight.zero_()
            own = torch.arange(layer.in_channels)
            layer.weight[own, own] = bilinear_kernel(layer.kernel_size[0]).to(layer.weight)
        layer.weight.requires_grad_(False)
    elif isinstance(layer, nn.Conv2d):
        if name.startswith("score"):
            nn.init.zeros_(layer.weight)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _sum(upper: torch.Tensor, skip: torch.Tensor, offset: int) -> torch.Tensor:
    """Add what was upsampled and the skip from ``offset`` on, over the cells that both have."""
    skip = skip[..., offset : offset + upper.shape[-2], offset : offset + upper.shape[-1]]
    return upper[..., : skip.shape[-2], : skip.shape[-1]] + skip


def _cleared(x: torch.Tensor, extents: _Extents) -> torch.Tensor:
    """``x`` (N, C, h, w), in place: zero beyond each item's extent, which is what a padded convolution finds there."""
    if extents is not None:
        for item, (rows, columns) in zip(x, extents, strict=True):
            item[:, rows:] = 0
            item[:, :, columns:] = 0
    return x


def _extents(sizes: _Extents, padding: _Padding) -> tuple[list[_Extents], list[_Extents], _Extents]:
    """Extents in the convolutions of the five blocks, in what their poolings give, and behind fc6."""
    extents = _grown(sizes, 2 * padding.conv1_1 - 2)
    blocks: list[_Extents] = []
    pooled: list[_Extents] = []
    for _ in range(5):
        blocks.append(extents)
        extents = None if extents is None else [((rows + 1) // 2, (columns + 1) // 2) for rows, columns in extents]
        pooled.append(extents)
    return blocks, pooled, _grown(extents, 2 * padding.fc6 - 6)


def _grown(extents: _Extents, by: int, times: int = 1) -> _Extents:
    return None if extents is None else [(times * rows + by, times * columns + by) for rows, columns in extents]


def _both(first: _Extents, second: _Extents) -> _Extents:
    """What lies in both extents."""
    if first is None or second is None:
        return None
    return [(min(a, c), min(b, d)) for (a, b), (c, d) in zip(first, second, strict=True)]
