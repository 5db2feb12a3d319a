"""Crops of different sizes as one batch, and what was predicted for them back in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from atso_monai.networks.rstn_crop import Box


def size_batches(boxes: Mapping[int, Box], batch_size: int, waste: float) -> list[list[int]]:
    """Keys of ``boxes`` in batches of similar sizes.

    Crops of a batch all get its largest height and width; together they have at most ``waste`` times the pixels of
    their own boxes.
    """
    batches: list[list[int]] = []
    for index in sorted(boxes, key=lambda key: _size(boxes[key])):
        if batches and len(batches[-1]) < batch_size and _fit([boxes[i] for i in (*batches[-1], index)], waste):
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def cropped(images: torch.Tensor, boxes: Sequence[Box]) -> torch.Tensor:
    """Each of ``images`` (N, C, H, W) from the top left corner of its own box on, in one size (N, C, h, w) for all.

    The largest box sets the size. A smaller one is extended downwards and to the right, so that its pixels lie on the
    networks' pooling grid as if it were alone: by the image as far as it reaches, by zeros beyond. FCN8s passes over
    the extension; to other networks it is a wider margin, as they met in training.
    """
    height, width = _common_size(boxes)
    out = images.new_zeros((*images.shape[:2], height, width))
    for target, image, box in zip(out, images, boxes, strict=True):
        part = image[:, box.top : box.top + height, box.left : box.left + width]
        target[:, : part.shape[1], : part.shape[2]] = part
    return out


def put_back(predictions: torch.Tensor, boxes: Sequence[Box], shape: Sequence[int]) -> torch.Tensor:
    """What was predicted for crops (N, C, h, w), each inside of its own box of an image of ``shape``; 0 elsewhere."""
    out = predictions.new_zeros(tuple(shape))
    for target, prediction, box in zip(out, predictions, boxes, strict=True):
        height, width = _size(box)
        target[:, box.top : box.bottom, box.left : box.right] = prediction[:, :height, :width]
    return out


def sizes_of(boxes: Sequence[Box]) -> list[tuple[int, int]] | None:
    """Height and width of each box; None where all are alike."""
    sizes = [_size(box) for box in boxes]
    return sizes if len(set(sizes)) > 1 else None


def _fit(boxes: Sequence[Box], waste: float) -> bool:
    height, width = _common_size(boxes)
    own = sum(h * w for h, w in map(_size, boxes))
    return len(boxes) * height * width <= waste * own


def _common_size(boxes: Sequence[Box]) -> tuple[int, int]:
    heights, widths = zip(*map(_size, boxes), strict=True)
    return max(heights), max(widths)


def _size(box: Box) -> tuple[int, int]:
    return box.bottom - box.top, box.right - box.left
