"""Abdominal CT phantoms with a pancreas label, made by code from a seed."""

from atso_monai.phantom.acquisition import SHIFTED, Scanner
from atso_monai.phantom.case import FIELD_OF_VIEW, SHAPE, PhantomCase, phantom_case
from atso_monai.phantom.tissue import TISSUES, hounsfield

__all__ = ["FIELD_OF_VIEW", "SHAPE", "SHIFTED", "TISSUES", "PhantomCase", "Scanner", "hounsfield", "phantom_case"]
