"""Boxes around what was found: from masks to boxes, cropping a batch to them, and putting the result back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Box(NamedTuple):
    """A rectangle of pixels: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int


class Margins(NamedTuple):
    """Pixels that are added at the four sides of a box."""

    top: int
    bottom: int
    left: int
    right: int


def draw_margins(margin: int, prob: float = 0.5) -> Margins:
    """Draw the margins of a training step from torch's own generator.

    With probability ``prob`` each of the four is uniform in 0 .. 2 * ``margin``, else all are ``margin``. Source:
    OrganSegRSTN.
    """
    draw, numbers = torch.rand(()), torch.randint(0, 2 * margin + 1, (4,))
    return Margins(*numbers.tolist()) if float(draw) < prob else Margins(margin, margin, margin, margin)


def boxes_around(mask: torch.Tensor, margins: Margins) -> list[Box | None]:
    """Box around all channels of each item of a bool mask (N, C, H, W), widened but inside of the image.

    An item without foreground has None.
    """
    height, width = mask.shape[-2:]
    rows = [_ends(found) for found in mask.any(dim=3).any(dim=1).cpu()]
    columns = [_ends(found) for found in mask.any(dim=2).any(dim=1).cpu()]
    boxes: list[Box | None] = []
    for row, column in zip(rows, columns, strict=True):
        if row is None or column is None:
            boxes.append(None)
            continue
        top, bottom = max(row[0] - margins.top, 0), min(row[1] + margins.bottom, height)
        left, right = max(column[0] - margins.left, 0), min(column[1] + margins.right, width)
        boxes.append(Box(top, bottom, left, right))
    return boxes


def common_box(boxes: Sequence[Box | None]) -> Box | None:
    """The smallest box that holds all boxes; None where there is none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    top, bottom, left, right = zip(*known, strict=True)
    return Box(min(top), max(bottom), min(left), max(right))


def only_inside(image: torch.Tensor, boxes: Sequence[Box | None]) -> torch.Tensor:
    """A copy of ``image`` (N, C, H, W) in which each item is zero outside of its own box, and where it has none."""
    inside = torch.zeros((len(boxes), 1, *image.shape[-2:]), dtype=torch.bool, device=image.device)
    for item, box in zip(inside, boxes, strict=True):
        if box is not None:
            item[:, box.top : box.bottom, box.left : box.right] = True
    return image.where(inside, torch.zeros((), dtype=image.dtype, device=image.device))


def inside_boxes(mask: torch.Tensor, margin: int) -> torch.Tensor:
    """Whether pixels (N, 1, H, W) are in the box of their item of a bool mask (N, C, H, W), widened by ``margin``.

    The same as :func:`boxes_around`, made of tensor operations alone: it can be traced.
    """
    rows = _between_ends(mask.any(dim=3).any(dim=1), margin)
    columns = _between_ends(mask.any(dim=2).any(dim=1), margin)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def crop(image: torch.Tensor, box: Box) -> torch.Tensor:
    """The part (N, C, h, w) of ``image`` (N, C, H, W) in a box."""
    return image[..., box.top : box.bottom, box.left : box.right]


def uncrop(probabilities: torch.Tensor, box: Box, height: int, width: int) -> torch.Tensor:
    """Probabilities (N, C, h, w) of a box in the whole image (N, C, height, width).

    They are 0 outside of the box: what the release's logit of -1e7 there comes to.
    """
    return F.pad(probabilities, [box.left, width - box.right, box.top, height - box.bottom])


def _ends(found: torch.Tensor) -> tuple[int, int] | None:
    """First place that is true, and the one behind the last."""
    places = found.nonzero()
    return (int(places[0]), int(places[-1]) + 1) if len(places) else None


def _between_ends(found: torch.Tensor, margin: int) -> torch.Tensor:
    """Places (N, L) from ``margin`` before the first one found to ``margin`` behind the last."""
    before, behind = found.long().cumsum(1) > 0, found.flip(1).long().cumsum(1).flip(1) > 0
    return F.max_pool1d((before & behind).float(), 2 * margin + 1, 1, margin) > 0
