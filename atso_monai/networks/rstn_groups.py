"""Learning rates of the parts of an RSTN."""

from __future__ import annotations

from typing import Any

from torch import nn

from atso_monai.networks.rstn import as_rstn

FINE_FACTOR = 10.0
BIAS_FACTOR = 2.0


def rstn_parameter_groups(
    network: nn.Module, lr: float = 1e-5, weight_decay: float = 5e-4, fine_factor: float = FINE_FACTOR
) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimiser, with the release's factors.

    ============================== ============= ============
    group                          learning rate weight decay
    ============================== ============= ============
    coarse weights                 x 1           yes
    coarse biases                  x 2           no
    saliency and fine weights      x 10          yes
    saliency and fine biases       x 20          no
    ============================== ============= ============

    Source: OrganSegRSTN, which takes ``torch.optim.SGD(groups, momentum=0.99)`` at a batch size of 1. The bilinear
    kernels are in no group: they are never trained.

    Args:
        network: an RSTN, or a wrapper of torch around one.
        lr: the learning rate of the coarse weights.
        weight_decay: of weights.
        fine_factor: what saliency and fine network learn faster by. From random weights with a normalising optimiser
            such as AdamW, 1 is a better choice than the release's 10, which starts from trained ones.

    Raises:
        ConfigError: for another network.
    """
    groups = []
    for coarse in (True, False):
        for bias in (False, True):
            rate = lr * (1 if coarse else fine_factor) * (BIAS_FACTOR if bias else 1)
            params = _parameters(as_rstn(network), coarse, bias)
            groups.append({"params": params, "lr": rate, "weight_decay": 0.0 if bias else weight_decay})
    return [group for group in groups if group["params"]]


def _parameters(network: nn.Module, coarse: bool, bias: bool) -> list[nn.Parameter]:
    return [
        value
        for name, value in network.named_parameters()
        if value.requires_grad and name.startswith("coarse_model.") == coarse and name.endswith("bias") == bias
    ]
