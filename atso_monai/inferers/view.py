"""2.5D inference: every slice of each view through that view's network, and the views fused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from monai.inferers import Inferer

from atso_monai.inferers._checks import check_views, check_volume
from atso_monai.inferers.slices import consecutive, mean_of_overlaps, with_neighbours
from atso_monai.views import view_axis


class ViewInferer(Inferer):
    """Class probabilities of a volume from 2D networks that see a slice and its neighbours.

    Source: ATSO section 4.1 (three views, fused by majority vote); the mean of probabilities is what RSTN's release
    does. Neighbours of the first and the last slice are the slice itself, as in training. Beside the volumes, memory
    does not depend on the number of slices.

    Args:
        context: slices in a network's input, odd.
        batch_size: slices in one forward pass.
        activation: ``softmax`` over the classes; ``sigmoid`` for networks whose channels are foreground alone;
            ``none`` where the network gives probabilities of the foreground already, as RSTN does.
        fuse: ``mean`` of the views' probabilities, or ``vote``: the share of views that choose a class; between equal
            votes the higher mean probability decides.
        predicts: ``centre``: the network's channels are the classes of the middle slice (with ``sigmoid`` or ``none``
            its one channel is the foreground). ``all``: they are the foreground of each slice of the input; the mean
            over all inputs that a slice is part of counts, as RSTN needs it. Of networks that return several outputs,
            the last one is taken.

    Raises:
        ValueError: names the argument that is wrong.
    """

    def __init__(
        self,
        context: int = 3,
        batch_size: int = 32,
        activation: Literal["softmax", "sigmoid", "none"] = "softmax",
        fuse: Literal["mean", "vote"] = "mean",
        predicts: Literal["centre", "all"] = "centre",
    ) -> None:
        super().__init__()
        if context < 1 or context % 2 == 0:
            raise ValueError(f"context must be odd and positive. Received: {context}.")
        _one_of("activation", activation, ("softmax", "sigmoid", "none"))
        _one_of("fuse", fuse, ("mean", "vote"))
        _one_of("predicts", predicts, ("centre", "all"))
        if predicts == "all" and activation == "softmax":
            raise ValueError("predicts 'all' needs activation 'sigmoid' or 'none'. Received: activation='softmax'.")
        self.context, self.batch_size = context, batch_size
        self.activation, self.fuse, self.predicts = activation, fuse, predicts

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
        check_volume(inputs, "ViewInferer")
        check_views(network, "ViewInferer")
        fused: torch.Tensor | None = None
        for view in network:
            fused = self._add_view(fused, inputs[0, 0], network[view], view_axis(view), len(network))
        assert fused is not None
        return fused[None]

    def _add_view(
        self, fused: torch.Tensor | None, volume: torch.Tensor, network: torch.nn.Module, axis: int, views: int
    ) -> torch.Tensor:
        """Add one view's share to the fused volume (C, X, Y, Z), which is made at the first batch."""
        slices = volume.movedim(axis, 0)
        predicted = self._of_all(slices, network) if self.predicts == "all" else self._of_centres(slices, network)
        for chosen, probabilities in predicted:
            if fused is None:
                fused = volume.new_zeros((probabilities.shape[1], *volume.shape))
            target = fused.movedim(axis + 1, 0)[chosen[0] : chosen[-1] + 1]
            target += self._share(probabilities, views)
        assert fused is not None
        return fused

    def _of_centres(
        self, slices: torch.Tensor, network: torch.nn.Module
    ) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
        """Class probabilities (N, C, H, W) of N slices at a time."""
        for chosen in consecutive(range(len(slices)), self.batch_size):
            probabilities = self._probabilities(network(with_neighbours(slices, chosen, self.context)))
            yield chosen, probabilities if self.activation == "softmax" else _both(probabilities)

    def _of_all(self, slices: torch.Tensor, network: torch.nn.Module) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
        """The same, from networks that predict all slices of their input."""

        def predict(chosen: Sequence[int]) -> torch.Tensor:
            return self._probabilities(network(with_neighbours(slices, chosen, self.context)))

        batches = consecutive(range(len(slices)), self.batch_size)
        mean = mean_of_overlaps(slices, batches, predict, self.context)
        for chosen in batches:
            yield chosen, _both(mean[chosen[0] : chosen[-1] + 1, None])

    def _probabilities(self, output: Any) -> torch.Tensor:
        last: torch.Tensor = (output[-1] if isinstance(output, tuple) else output).float()
        if self.activation == "softmax":
            return last.softmax(1)
        channels = self.context if self.predicts == "all" else 1
        if last.shape[1] != channels:
            raise ValueError(
                f"With predicts {self.predicts!r}, activation {self.activation!r} and context {self.context}, "
                f"a network must have {channels} output channel(s). Received: {last.shape[1]}."
            )
        return last.sigmoid() if self.activation == "sigmoid" else last

    def _share(self, probabilities: torch.Tensor, views: int) -> torch.Tensor:
        if self.fuse == "mean":
            return probabilities / views
        votes = torch.zeros_like(probabilities).scatter_(1, probabilities.argmax(1, keepdim=True), 1.0)
        # all views' probabilities together weigh less than half a vote: they only decide between equal votes
        return (votes + probabilities / (2 * views)) / views


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}. Received: {value!r}.")


def _both(foreground: torch.Tensor) -> torch.Tensor:
    """Probabilities (N, 1, H, W) of the foreground to those of background and foreground (N, 2, H, W)."""
    return torch.cat([1 - foreground, foreground], 1)
