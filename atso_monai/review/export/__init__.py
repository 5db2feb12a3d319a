"""A run's labels in the formats of other programs: 3D Slicer, DICOM Segmentation, NIfTI."""

from atso_monai.review.export.run_export import FORMATS, export

__all__ = ["FORMATS", "export"]
