"""RSTN: a coarse network finds the organ, a saliency transformation points at it, a fine network draws it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from atso_monai.errors import ConfigError, one_of
from atso_monai.networks.fcn8s import FCN8s, is_tracing
from atso_monai.networks.rstn_crop import (
    Box,
    Margins,
    boxes_around,
    common_box,
    crop,
    draw_margins,
    inside_boxes,
    only_inside,
    uncrop,
)
from atso_monai.networks.saliency import SaliencyTransform, draw_saliency, saliency
from atso_monai.networks.space_to_depth import SpaceToDepth

STAGES = ("S", "I", "J")
_ANY_SIZE = (FCN8s, SpaceToDepth)


class CoarseFine(NamedTuple):
    """Probabilities (N, C, H, W) of both networks, in [0, 1], float32."""

    coarse: torch.Tensor
    fine: torch.Tensor


class RSTN(nn.Module):
    """Recurrent saliency transformation network of one view, on ``channels`` adjacent slices at once.

    Source: Yu et al., CVPR 2018 (arXiv:1709.04518) and its release OrganSegRSTN. Training goes through three stages:

    ===== ==================== ================================================================================
    stage the fine network sees in the box around
    ===== ==================== ================================================================================
    S     the image            the label
    I     image x saliency     the label
    J     image x saliency     coarse probabilities of at least 0.5; the label of an item where there are none
    ===== ==================== ================================================================================

    An item whose label is empty as well is seen whole. In a batch, each item is zeroed outside of its own box, and
    all are cropped to the smallest box that holds theirs. :class:`~atso_monai.handlers.RSTNStages` sets the stage in
    training. Names of weights are the release's, whose checkpoints :func:`~atso_monai.networks.load_released` reads.

    Args:
        coarse: 2D network from images (N, channels, H, W) to logits of the same shape, one per slice.
        fine: the same, for cropped images.
        saliency: the transformation between them; None for a new one.
        channels: number of adjacent slices.
        margin: pixels around the box. In training, half of the steps draw each side's from 0 .. 2 * ``margin``, by
            torch's own generator.
        divisible: what the networks need H and W to be divisible by; images are padded at their end by repeating the
            last row and column, and the output is cropped back. FCN8s and SpaceToDepth take any size as it is.
        autocast: ``"bfloat16"`` runs both networks under ``torch.autocast`` in that type; weights, saliency and
            output stay float32. None leaves the type alone.
        stage: the stage of calls that name none.

    Raises:
        ConfigError: names the argument that is wrong.

    Example::

        small = {"channels": [16, 32, 64, 64, 64], "convolutions": [1, 1, 1, 1, 1], "hidden": 64}
        model = RSTN(FCN8s(**small), FCN8s(**small), margin=8)
        coarse, fine = model(image, label=label, stage="S")
    """

    def __init__(
        self,
        coarse: nn.Module,
        fine: nn.Module,
        saliency: SaliencyTransform | None = None,
        channels: int = 3,
        margin: int = 20,
        divisible: int = 32,
        autocast: str | None = None,
        stage: str = "J",
    ) -> None:
        super().__init__()
        one_of("stage", stage, STAGES)
        if autocast not in (None, "bfloat16"):
            raise ConfigError(f"autocast must be 'bfloat16' or None. Received: {autocast!r}.")
        if channels < 1 or margin < 0 or divisible < 1:
            raise ConfigError(
                "channels and divisible must be at least 1, margin at least 0. "
                f"Received: {channels=}, {divisible=}, {margin=}."
            )
        if coarse is fine:
            raise ConfigError("coarse and fine must be two networks. Received: the same one twice.")
        start = SaliencyTransform(channels) if saliency is None else saliency
        self.coarse_model = coarse
        self.saliency1, self.saliency2 = start.saliency1, start.saliency2
        self.fine_model = fine
        self.channels, self.margin, self.divisible = channels, margin, divisible
        self.reduced = autocast is not None
        self.stage = stage

    def forward(
        self, image: torch.Tensor, label: torch.Tensor | None = None, stage: str | None = None
    ) -> CoarseFine | torch.Tensor:
        """Segment slices by both networks.

        Args:
            image: (N, channels, H, W).
            label: (N, channels, H, W), 1 inside of the organ and 0 elsewhere, of any type.
            stage: ``S``, ``I`` or ``J``; None for the network's own.

        Returns:
            The probabilities of both networks. In ``eval`` mode at stage J, and without a label: those of the fine
            network alone, after one round of testing (:meth:`refine`) on what the coarse one finds.

        Raises:
            ConfigError: for another stage.
            ValueError: for other shapes, or a label that is needed and not given.
        """
        stage = self.stage if stage is None else stage
        one_of("stage", stage, STAGES)
        self._check("image", image)
        if label is None and (self.training or stage != "J"):
            raise ValueError(f"stage {stage} needs a label in training. Received: none. Call it with label=...")
        if label is not None:
            self._check("label", label, image)
        coarse = self.coarse_probability(image)
        if label is None:
            return self.refine(image, score=coarse, mask=coarse)
        boxes = self._training_boxes(coarse, label, stage)
        seen = image if stage == "S" else image * saliency(coarse, self.saliency1, self.saliency2)
        return CoarseFine(coarse, self._fine_probability(seen, boxes))

    def coarse_probability(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities of the coarse network, for the first round of testing: (N, channels, H, W) to the same."""
        self._check("image", image)
        return self._probability(self.coarse_model, image)

    def refine(self, image: torch.Tensor, *, score: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Probabilities of the fine network in a round of testing, 0 outside of each item's own box.

        A traced copy (``torch.jit.trace``, as for ``monai.bundle ckpt_export --use_trace``) zeroes the image outside of
        the boxes instead of cropping it, since a trace cannot hold crops that depend on the image.

        Args:
            image: (N, channels, H, W).
            score: probabilities of the last round, same shape; what the saliency comes from.
            mask: segmentation of the last round, same shape, foreground from 0.5 on; what the box goes around. An item
                without foreground comes back as zeros.

        Raises:
            ValueError: for other shapes.
        """
        self._check("image", image)
        self._check("score", score, image)
        self._check("mask", mask, image)
        seen = image * saliency(score.to(image.dtype), self.saliency1, self.saliency2)
        if is_tracing():
            inside = inside_boxes(mask >= 0.5, self.margin)
            return self._probability(self.fine_model, seen * inside) * inside
        boxes = boxes_around(mask >= 0.5, self._fixed_margins())
        fine = self._fine_probability(seen, boxes)
        return fine if len(boxes) == 1 else only_inside(fine, boxes)

    def fine_probability(self, image: torch.Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> torch.Tensor:
        """Probabilities of the fine network on images that are cropped and multiplied by their saliency already.

        :meth:`refine` does both by itself; this is for crops of different sizes in one batch.

        Args:
            image: (N, channels, h, w).
            sizes: height and width of each item, where it takes up only the upper left part of its image. FCN8s gives
                it the same probabilities as if it were alone; other networks see what lies around it.
        """
        self._check("image", image)
        return self._probability(self.fine_model, image, sizes)

    @property
    def takes_sizes(self) -> bool:
        """Whether crops of different sizes in one batch get the probabilities that they would get alone."""
        return isinstance(self.fine_model, FCN8s)

    def redraw_saliency(self, seed: int) -> RSTN:
        """Set the saliency transformation to a new start, drawn by ``seed``, and return the network.

        Source: ATSO section 4.2, where each generation starts from an early snapshot with this part drawn anew.
        """
        draw_saliency(self.saliency1, self.saliency2, seed)
        return self

    def _fixed_margins(self) -> Margins:
        return Margins(self.margin, self.margin, self.margin, self.margin)

    def _training_boxes(self, coarse: torch.Tensor, label: torch.Tensor, stage: str) -> list[Box | None]:
        margins = draw_margins(self.margin) if self.training else self._fixed_margins()
        boxes = boxes_around(label >= 0.5, margins)
        if stage == "J":
            found = boxes_around(coarse.detach() >= 0.5, margins)
            boxes = [first or second for first, second in zip(found, boxes, strict=True)]
        whole = Box(0, label.shape[-2], 0, label.shape[-1])
        return [box or whole for box in boxes]

    def _fine_probability(self, image: torch.Tensor, boxes: list[Box | None]) -> torch.Tensor:
        box = common_box(boxes)
        if box is None:
            return torch.zeros_like(image, dtype=torch.float32)
        if len(boxes) > 1:
            image = only_inside(image, boxes)
        return uncrop(self._probability(self.fine_model, crop(image, box)), box, *image.shape[-2:])

    def _probability(
        self, network: nn.Module, image: torch.Tensor, sizes: Sequence[tuple[int, int]] | None = None
    ) -> torch.Tensor:
        height, width = image.shape[-2:]
        multiple = 1 if isinstance(network, _ANY_SIZE) else self.divisible
        if multiple > 1:
            image = F.pad(image, [0, -width % multiple, 0, -height % multiple], mode="replicate")
        with self._precision(image.device):
            logits = network(image, sizes) if isinstance(network, FCN8s) else network(image)
        if not is_tracing() and logits.shape != image.shape:
            raise ValueError(
                f"A network of RSTN must give one logit per pixel and slice, {tuple(image.shape)}. "
                f"Received: {tuple(logits.shape)} from {type(network).__name__}."
            )
        return torch.sigmoid(logits[..., :height, :width].float())

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        # autocast(enabled=False) would switch off a trainer's own mixed precision
        return torch.autocast(device.type, torch.bfloat16) if self.reduced else nullcontext()

    def _check(self, name: str, given: torch.Tensor, image: torch.Tensor | None = None) -> None:
        if is_tracing():
            return
        if given.ndim != 4 or given.shape[1] != self.channels or 0 in given.shape:
            raise ValueError(f"{name} must be (N, {self.channels}, H, W). Received: {tuple(given.shape)}.")
        if image is not None and given.shape != image.shape:
            raise ValueError(
                f"{name} must have the image's shape {tuple(image.shape)}. Received: {tuple(given.shape)}."
            )


def as_rstn(network: nn.Module) -> RSTN:
    """The RSTN inside of the wrappers of torch (data parallel, compiled), whose own attributes are not the network's.

    Raises:
        ConfigError: when there is none.
    """
    inner = network
    while not isinstance(inner, RSTN):
        following = getattr(inner, "module", getattr(inner, "_orig_mod", None))
        if not isinstance(following, nn.Module):
            raise ConfigError(f"network must be an RSTN. Received: {type(network).__name__}.")
        inner = following
    return inner
