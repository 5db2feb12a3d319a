"""Charts as inline SVG: no library in the page, sharp in print, readable by a screen reader."""

from atso_monai.review.charts.frame import Frame, Scale, percent_scale
from atso_monai.review.charts.lines import Series, line_chart
from atso_monai.review.charts.marks import MARKERS
from atso_monai.review.charts.scatter import scatter_chart
from atso_monai.review.charts.strips import Strip, strip_chart

__all__ = [
    "MARKERS",
    "Frame",
    "Scale",
    "Series",
    "Strip",
    "line_chart",
    "percent_scale",
    "scatter_chart",
    "strip_chart",
]
