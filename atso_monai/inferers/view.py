"""2.5D inference: every slice of each view through that view's network, and the views fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from monai.inferers import Inferer

from atso_monai.views import VIEWS, view_axis


class ViewInferer(Inferer):
    """Class probabilities of a volume from 2D networks that see a slice and its neighbours.

    Source: ATSO section 4.1 (three views, fused by majority vote); the mean of probabilities is what RSTN's release
    does. Neighbours of the first and the last slice are the slice itself, as in training.

    Args:
        context: slices in a network's input, odd; the middle one is predicted.
        batch_size: slices in one forward pass.
        activation: ``softmax`` over the classes, or ``sigmoid`` for networks with one output channel.
        fuse: ``mean`` of the views' probabilities, or ``vote``: the share of views that choose a class; between equal
            votes the higher mean probability decides.
    """

    def __init__(
        self,
        context: int = 3,
        batch_size: int = 32,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        fuse: Literal["mean", "vote"] = "mean",
    ) -> None:
        super().__init__()
        if context < 1 or context % 2 == 0:
            raise ValueError(f"context must be odd and positive. Received: {context}.")
        _one_of("activation", activation, ("softmax", "sigmoid"))
        _one_of("fuse", fuse, ("mean", "vote"))
        self.context, self.batch_size = context, batch_size
        self.activation, self.fuse = activation, fuse

    def __call__(
        self, inputs: torch.Tensor, network: Mapping[str, torch.nn.Module], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict one volume.

        Args:
            inputs: (1, 1, X, Y, Z), axes as RAS, intensities as in training.
            network: view name to network, e.g. :class:`~atso_monai.networks.ViewNetworks`.

        Returns:
            (1, C, X, Y, Z), values in [0, 1], class 0 is background. With ``vote`` the values are shares of votes plus
            a tie breaker below one vote, so that the highest value is the decision.

        Raises:
            ValueError: for any other shape, or a view that is unknown.
        """
        if inputs.ndim != 5 or inputs.shape[:2] != (1, 1):
            raise ValueError(f"ViewInferer needs one volume of shape (1, 1, X, Y, Z). Received: {tuple(inputs.shape)}.")
        unknown = [view for view in network if view not in VIEWS]
        if unknown:
            raise ValueError(f"Views must be of {list(VIEWS)}. Received: {unknown}.")
        fused: torch.Tensor | None = None
        for view in network:
            fused = self._add_view(fused, inputs[0, 0], network[view], view_axis(view), len(network))
        if fused is None:
            raise ValueError("ViewInferer needs at least one view. Received: none.")
        return fused[None]

    def _add_view(
        self, fused: torch.Tensor | None, volume: torch.Tensor, network: torch.nn.Module, axis: int, views: int
    ) -> torch.Tensor:
        """Add one view's share to the fused volume (C, X, Y, Z), which is made at the first batch."""
        slices = volume.movedim(axis, 0)
        for first in range(0, len(slices), self.batch_size):
            chosen = range(first, min(first + self.batch_size, len(slices)))
            probabilities = self._probabilities(network(_with_neighbours(slices, chosen, self.context)))
            if fused is None:
                fused = volume.new_zeros((probabilities.shape[1], *volume.shape))
            target = fused.movedim(axis + 1, 0)[chosen.start : chosen.stop]
            target += self._share(probabilities, views)
        assert fused is not None
        return fused

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        if self.activation == "softmax":
            return logits.float().softmax(1)
        foreground = logits.float().sigmoid()
        return torch.cat([1 - foreground, foreground], 1)

    def _share(self, probabilities: torch.Tensor, views: int) -> torch.Tensor:
        if self.fuse == "mean":
            return probabilities / views
        votes = torch.zeros_like(probabilities).scatter_(1, probabilities.argmax(1, keepdim=True), 1.0)
        # all views' probabilities together weigh less than half a vote: they only decide between equal votes
        return (votes + probabilities / (2 * views)) / views


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}. Received: {value!r}.")


def _with_neighbours(slices: torch.Tensor, chosen: Sequence[int], context: int) -> torch.Tensor:
    """Slices (S, H, W) to inputs (len(chosen), context, H, W); neighbours beyond the ends repeat the end."""
    reach = context // 2
    centre = torch.as_tensor(chosen, device=slices.device)[:, None]
    index = centre + torch.arange(-reach, reach + 1, device=slices.device)
    return slices[index.clamp(0, len(slices) - 1)]
