"""The coarse round: every slice of every view through the coarse network, and the mean of the views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from atso_monai.inferers.pace import Pace
from atso_monai.inferers.precision import computing_in
from atso_monai.inferers.slices import consecutive, mean_of_overlaps, with_neighbours
from atso_monai.networks import RSTN
from atso_monai.views import view_axis


def coarse_score(image: torch.Tensor, networks: Mapping[str, RSTN], pace: Pace, threshold: float = 0.5) -> torch.Tensor:
    """Mean coarse probability of the views, (X, Y, Z) to the same, float32.

    With ``pace.prune``, the last view passes over slices that are far from all voxels that can still reach
    ``threshold``; neither the mask nor the score that a fine round looks at changes by it.
    """
    fused = torch.zeros(image.shape, dtype=torch.float32, device=image.device)
    last = list(networks)[-1]
    for view, network in networks.items():
        axis = view_axis(view)
        chosen: Sequence[int] = range(image.shape[axis])
        if pace.prune and view == last:
            chosen = _within_reach(
                fused, axis, threshold * len(networks) - 1, reach_of(network) + network.channels // 2
            )
        fused += _view_score(image.movedim(axis, 0), chosen, network, pace).movedim(0, axis)
    return fused.div_(len(networks))


def reach_of(network: RSTN) -> int:
    """How far from the mask, in voxels along any axis, a fine round reads score and image or writes a result.

    In a slice that is the margin of its box and 3 pixels for the saliency (a 3 x 3, then a 5 x 5 convolution); across
    slices, a triple with mask voxels ends less than ``channels`` slices away.
    """
    return max(network.margin + 3, network.channels)


def _view_score(slices: torch.Tensor, chosen: Sequence[int], network: RSTN, pace: Pace) -> torch.Tensor:
    """Mean over overlapping inputs, (S, H, W); slices of which no input is ``chosen`` get 0."""
    blank = _blank(slices, chosen, network.channels) if pace.prune else []

    def predict(batch: Sequence[int]) -> torch.Tensor:
        different = batch[:1] if batch is blank else batch
        inputs = with_neighbours(slices, different, network.channels)
        return network.coarse_probability(pace.laid_out(inputs)).expand(len(batch), -1, -1, -1)

    batches = consecutive(sorted(set(chosen) - set(blank)), pace.batch_size)
    with computing_in(pace.precision, slices.device):
        score = mean_of_overlaps(slices, [*batches, *([blank] if blank else [])], predict, network.channels)
    return score.mul_(pace.levels).round_().div_(pace.levels)


def _blank(slices: torch.Tensor, chosen: Sequence[int], context: int) -> list[int]:
    """Those of the ``chosen`` inputs that hold nothing but the lowest value of all, as air around a patient."""
    empty = slices.flatten(1).amax(1) == slices.min()
    whole = with_neighbours(empty[:, None, None], chosen, context).flatten(1).all(1)
    return [index for index, found in zip(chosen, whole.tolist(), strict=True) if found]


def _within_reach(total: torch.Tensor, axis: int, least: float, reach: int) -> list[int]:
    """Slices along ``axis`` that are at most ``reach`` away from one with a voxel of at least ``least``."""
    others = [other for other in range(3) if other != axis]
    # a little below the limit, since the sum of the views is rounded
    found = total.amax(others) >= least - 1e-3
    near = torch.nn.functional.max_pool1d(found[None, None].float(), 2 * reach + 1, 1, reach)[0, 0]
    return [int(index) for index in near.nonzero()[:, 0]]
