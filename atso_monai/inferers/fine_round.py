"""A fine round: around the mask of the last round, every view through the fine network, and the mean of the views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from atso_monai.inferers.coarse_round import reach_of
from atso_monai.inferers.crops import cropped, put_back, size_batches, sizes_of
from atso_monai.inferers.pace import Pace
from atso_monai.inferers.precision import computing_in
from atso_monai.inferers.slices import mean_of_overlaps, with_neighbours
from atso_monai.networks import RSTN
from atso_monai.networks.rstn_crop import Margins, boxes_around
from atso_monai.networks.saliency import saliency
from atso_monai.views import view_axis

Region = tuple[slice, slice, slice]


def fine_score(
    image: torch.Tensor, score: torch.Tensor, mask: torch.Tensor, networks: Mapping[str, RSTN], pace: Pace
) -> torch.Tensor:
    """Mean fine probability of the views around ``mask`` (X, Y, Z), bool; 0 far from it.

    Per view, each input of slices with mask voxels is multiplied by the saliency of its ``score``, cropped to the box
    of its mask, and predicted. Slices are averaged over the inputs that they are part of. Only a box around the mask
    is read, so that time and memory depend on the organ and not on the scan.
    """
    region = region_around(mask, max(reach_of(network) for network in networks.values()))
    fused = torch.zeros(image[region].shape, dtype=torch.float32, device=image.device)
    for view, network in networks.items():
        axis = view_axis(view)
        slices, scores, masks = (volume[region].movedim(axis, 0) for volume in (image, score, mask))
        fused += _view_score(slices, scores, masks, network, pace).movedim(0, axis)
    out = torch.zeros(image.shape, dtype=torch.float32, device=image.device)
    out[region] = fused.div_(len(networks))
    return out


def region_around(mask: torch.Tensor, reach: int) -> Region:
    """The part of a volume within ``reach`` voxels of the box around ``mask`` (X, Y, Z), which is not empty."""
    ends = []
    for axis in range(3):
        first, second = (other for other in (2, 1, 0) if other != axis)
        places = mask.any(first).any(second).nonzero()
        ends.append(slice(max(int(places[0]) - reach, 0), int(places[-1]) + 1 + reach))
    return ends[0], ends[1], ends[2]


def _view_score(
    image: torch.Tensor, score: torch.Tensor, mask: torch.Tensor, network: RSTN, pace: Pace
) -> torch.Tensor:
    """Mean over overlapping inputs, all (S, H, W)."""
    margins = Margins(network.margin, network.margin, network.margin, network.margin)
    found = boxes_around(with_neighbours(mask, range(len(mask)), network.channels), margins)
    boxes = {index: box for index, box in enumerate(found) if box is not None}

    def predict(batch: Sequence[int]) -> torch.Tensor:
        images, scores = (with_neighbours(volume, batch, network.channels) for volume in (image, score))
        seen = images * saliency(scores.to(images.dtype), network.saliency1, network.saliency2)
        own = [boxes[index] for index in batch]
        inner = pace.laid_out(cropped(seen, own))
        return put_back(network.fine_probability(inner, sizes_of(own)), own, images.shape)

    # in full precision: rounds go on from each other, and a last digit can decide whether one more follows
    with computing_in("float32", image.device):
        batches = size_batches(boxes, pace.batch_size, pace.waste if network.takes_sizes else 1.0)
        return mean_of_overlaps(image, batches, predict, network.channels)
