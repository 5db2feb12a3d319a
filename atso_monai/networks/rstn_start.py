"""Where the training of an RSTN starts."""

from __future__ import annotations

import logging
from pathlib import Path

from atso_monai.networks.released import load_released
from atso_monai.networks.rstn import RSTN
from atso_monai.networks.weights import load_weights

_LOG = logging.getLogger(__name__)


def start_rstn(
    network: RSTN,
    checkpoint: str | Path | None = None,
    pretrained: str | Path | None = None,
    redraw_saliency: int | None = None,
) -> RSTN:
    """Fill ``network`` in place and return it; without any file it stays as it was drawn.

    Args:
        network: the network.
        checkpoint: weights of an RSTN of the same configuration, see :func:`load_weights`; used instead of
            ``pretrained`` where both are given.
        pretrained: weights of others, see :func:`load_released`; what they leave alone is logged.
        redraw_saliency: seed of a new saliency transformation, for a ``checkpoint`` only; None keeps the checkpoint's.
            ATSO does this for every generation that starts from an early snapshot (section 4.2).

    Raises:
        CheckpointError: when a file is missing, damaged, or does not fit.
    """
    if checkpoint is not None:
        load_weights(network, checkpoint)
        return network if redraw_saliency is None else network.redraw_saliency(redraw_saliency)
    if pretrained is not None:
        left = load_released(network, pretrained)
        _LOG.info("Not matched in %s: %s", pretrained, ", ".join(left.file) or "nothing")
        _LOG.info("Not filled from %s: %s", pretrained, ", ".join(left.network) or "nothing")
    return network
