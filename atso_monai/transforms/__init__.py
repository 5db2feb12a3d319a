"""Transforms for slices and views, as array and dictionary pairs for any MONAI ``Compose``."""

from atso_monai.transforms.fuse_views import FuseViews, FuseViewsd
from atso_monai.transforms.keep_components import KeepComponents, KeepComponentsd, large_components
from atso_monai.transforms.map_labels import MapLabels, MapLabelsd
from atso_monai.transforms.rand_warp import RandWarpd
from atso_monai.transforms.slice_spacing import NormalizeSliceSpacing, NormalizeSliceSpacingd
from atso_monai.transforms.slice_view import SliceView, SliceViewd, slices_of, volume_of

__all__ = [
    "FuseViews",
    "FuseViewsd",
    "KeepComponents",
    "KeepComponentsd",
    "MapLabels",
    "MapLabelsd",
    "NormalizeSliceSpacing",
    "NormalizeSliceSpacingd",
    "RandWarpd",
    "SliceView",
    "SliceViewd",
    "large_components",
    "slices_of",
    "volume_of",
]
