"""Networks and their weights."""

from atso_monai.networks.efficientnet import as_lite, lite0_weights, load_efficientnet
from atso_monai.networks.fcn8s import FCN8s
from atso_monai.networks.released import Unmatched, load_released, released_rstn
from atso_monai.networks.rstn import RSTN, CoarseFine
from atso_monai.networks.rstn_groups import rstn_parameter_groups
from atso_monai.networks.rstn_start import start_rstn
from atso_monai.networks.saliency import SaliencyTransform
from atso_monai.networks.space_to_depth import SpaceToDepth
from atso_monai.networks.weights import ViewNetworks, load_weights

__all__ = [
    "RSTN",
    "CoarseFine",
    "FCN8s",
    "SaliencyTransform",
    "SpaceToDepth",
    "Unmatched",
    "ViewNetworks",
    "as_lite",
    "lite0_weights",
    "load_efficientnet",
    "load_released",
    "load_weights",
    "released_rstn",
    "rstn_parameter_groups",
    "start_rstn",
]
