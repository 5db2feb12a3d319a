"""Networks and their weights."""

from atso_monai.networks.space_to_depth import SpaceToDepth
from atso_monai.networks.weights import ViewNetworks, load_weights

__all__ = ["SpaceToDepth", "ViewNetworks", "load_weights"]
