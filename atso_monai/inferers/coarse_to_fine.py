"""Coarse-to-fine testing of RSTN: find the organ on all slices, then draw it in rounds until it stays."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type

from atso_monai.errors import ConfigError, one_of
from atso_monai.inferers._checks import check_views, check_volume
from atso_monai.inferers.coarse_round import coarse_score
from atso_monai.inferers.fine_round import fine_score
from atso_monai.inferers.pace import EXACT, fast_pace
from atso_monai.networks import RSTN
from atso_monai.transforms.keep_components import large_components

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rounds:
    """How the rounds of one case went.

    Attributes:
        dsc: DSC of the mask after each fine round to the one before, 0 to 1.
        stopped: ``converged``, ``round limit``, ``time limit``, or ``empty``: nothing was found or nothing was left.
        seconds: wall time of the case, the coarse round included.
    """

    dsc: tuple[float, ...]
    stopped: str
    seconds: float

    def __str__(self) -> str:
        """One line for a log."""
        dsc = ", ".join(f"{value:.4f}" for value in self.dsc) or "none"
        return f"{len(self.dsc)} fine round(s), {self.stopped}, {self.seconds:.1f} s; DSC between rounds: {dsc}"


class CoarseToFineInferer(Inferer):
    """Foreground probability of a volume from the RSTN networks of its views, in a coarse and several fine rounds.

    The coarse networks see every slice of every view. Each fine round multiplies the image by the saliency of the last
    round's score, crops it to the last mask, fuses the views by their mean, and keeps the 6-connected components of at
    least half of the largest one's size, until the mask hardly changes. :attr:`last` tells how it went; each round is
    logged as well.

    Source: Yu et al., CVPR 2018 (arXiv:1709.04518), algorithm 1, and its release OrganSegRSTN.

    Args:
        mode: ``exact`` follows the release slice by slice, each on its own box, in float32. ``fast`` predicts batches
            (of boxes of similar size for FCN8s, of one size for other networks), the coarse round in reduced
            precision, and leaves out what cannot change the result. Whether FCN-8s pads as the release does is the
            network's ``padding``.
        threshold: DSC between two rounds at which a case is done; the release reports 0.95, 0.98 and 0.99.
        max_rounds: most fine rounds; 0 stays with the fusion of the coarse networks.
        time_limit: seconds after which no further round begins, or None. The coarse round always ends.
        coarse_threshold: mean of the views' coarse probabilities from which a voxel is in the first mask. 0.5 is the
            release's "2 of 3 views"; "1 of 3" is 1/6 and "3 of 3" is 5/6.
        batch_size: most slices in one forward pass; ``fast`` only.
        precision: of the coarse round: ``bfloat16``, ``float16`` or ``float32``; ``fast`` only. With float32 the
            result is that of the exact mode; choose it also on a processor without instructions for bfloat16. float16
            is nearer to it than bfloat16, and overflows where a network's activations pass 65504. A network with
            autocast of its own keeps that, in all rounds.

    Raises:
        ConfigError: names the argument that is wrong.
    """

    def __init__(
        self,
        mode: Literal["fast", "exact"] = "fast",
        threshold: float = 0.95,
        max_rounds: int = 10,
        time_limit: float | None = None,
        coarse_threshold: float = 0.5,
        batch_size: int = 8,
        precision: Literal["bfloat16", "float16", "float32"] = "bfloat16",
    ) -> None:
        super().__init__()
        one_of("mode", mode, ("fast", "exact"))
        for name, value in (("threshold", threshold), ("coarse_threshold", coarse_threshold)):
            if not 0 < value <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1. Received: {value!r}.")
        if max_rounds < 0 or (time_limit is not None and time_limit < 0):
            raise ConfigError(
                f"max_rounds and time_limit must not be negative. Received: {max_rounds=}, {time_limit=}."
            )
        self.pace = EXACT if mode == "exact" else fast_pace(batch_size, precision)
        self.threshold, self.max_rounds, self.time_limit = threshold, max_rounds, time_limit
        self.coarse_threshold = coarse_threshold
        self.last: Rounds | None = None
        """How the case that was predicted last went."""

    @torch.no_grad()
    def __call__(
        self, inputs: torch.Tensor, network: Mapping[str, torch.nn.Module], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict one volume.

        Args:
            inputs: (1, 1, X, Y, Z), axes as RAS, intensities as in training.
            network: view name to :class:`~atso_monai.networks.RSTN` in ``eval`` mode, e.g.
                :class:`~atso_monai.networks.ViewNetworks`.

        Returns:
            (1, 1, X, Y, Z), float32: the score of the last round, at least 0.5 in the segmentation and less elsewhere;
            components that were dropped are 0.

        Raises:
            ValueError: for any other shape, an unknown view, or a network in training mode.
            ConfigError: when a network with autocast of its own is to be exact.
        """
        check_volume(inputs, "CoarseToFineInferer")
        networks = _checked(network, self.pace.order, exact=self.pace is EXACT)
        if self.pace.channels_last:
            for one in networks.values():
                one.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = (inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs)[0, 0]
        result = self._rounds(image, networks)
        return cast(torch.Tensor, convert_to_dst_type(result[None, None], inputs, dtype=torch.float32)[0])

    def _rounds(self, image: torch.Tensor, networks: Mapping[str, RSTN]) -> torch.Tensor:
        began = time.monotonic()
        score = coarse_score(image, networks, self.pace, self.coarse_threshold)
        mask = score >= self.coarse_threshold
        dsc: list[float] = []
        while (stopped := self._stops(mask, dsc, time.monotonic() - began)) is None:
            score = fine_score(image, score, mask, networks, self.pace)
            before, mask = mask, _large(score >= 0.5)
            dsc.append(_dsc(before, mask))
            _LOG.info("Fine round %d: DSC to the round before %.4f", len(dsc), dsc[-1])
        self.last = Rounds(tuple(dsc), stopped, time.monotonic() - began)
        _LOG.info("%s", self.last)
        return _decided(score, mask)

    def _stops(self, mask: torch.Tensor, dsc: Sequence[float], seconds: float) -> str | None:
        """Why no further round begins, or None."""
        if not mask.any():
            return "empty"
        if dsc and dsc[-1] >= self.threshold:
            return "converged"
        if len(dsc) >= self.max_rounds:
            return "round limit"
        return "time limit" if self.time_limit is not None and seconds >= self.time_limit else None


def _checked(network: Mapping[str, torch.nn.Module], order: Sequence[str], exact: bool) -> dict[str, RSTN]:
    """The networks in the order in which they are computed."""
    check_views(network, "CoarseToFineInferer")
    networks = {view: cast(RSTN, network[view]) for view in order if view in network}
    for view, one in networks.items():
        if not (hasattr(one, "coarse_probability") and hasattr(one, "refine")):
            raise ValueError(f"CoarseToFineInferer needs networks of RSTN. Received: {type(one).__name__} for {view}.")
        if one.training:
            raise ValueError(f"The {view} network is in training mode, with dropout. Call its eval() first.")
        if exact and any(getattr(part, "reduced", False) for part in one.modules()):
            raise ConfigError(
                f"mode 'exact' computes in float32. Received: a {view} network with autocast of its own. "
                "Set the network's autocast to null, or mode to 'fast'."
            )
    return networks


def _large(mask: torch.Tensor) -> torch.Tensor:
    """Without components of less than half of the largest one's size, (X, Y, Z) bool."""
    return torch.from_numpy(large_components(mask.cpu().numpy())).to(mask.device)


def _dsc(first: torch.Tensor, second: torch.Tensor) -> float:
    """DSC of two masks, not both empty."""
    return 2 * int((first & second).sum()) / (int(first.sum()) + int(second.sum()))


def _decided(score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``score`` at least 0.5 in the mask and less outside of it."""
    outside = score.where(score < 0.5, torch.zeros_like(score))
    return torch.where(mask, score.clamp(min=0.5), outside)
