"""Transforms for slices and views, as array and dictionary pairs for any MONAI ``Compose``."""

from atso_monai.transforms.fuse_views import FuseViews, FuseViewsd
from atso_monai.transforms.keep_components import KeepComponents, KeepComponentsd, large_components
from atso_monai.transforms.map_labels import MapLabels, MapLabelsd
from atso_monai.transforms.slice_spacing import NormalizeSliceSpacing, NormalizeSliceSpacingd
from atso_monai.transforms.slice_view import SliceView, SliceViewd, slices_of, volume_of
from atso_monai.views import VIEWS, view_axis

__all__ = [
    "VIEWS",
    "FuseViews",
    "FuseViewsd",
    "KeepComponents",
    "KeepComponentsd",
    "MapLabels",
    "MapLabelsd",
    "NormalizeSliceSpacing",
    "NormalizeSliceSpacingd",
    "SliceView",
    "SliceViewd",
    "large_components",
    "slices_of",
    "view_axis",
    "volume_of",
]
