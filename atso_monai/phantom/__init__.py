"""Abdominal CT phantoms with a pancreas label, made by code from a seed."""

from atso_monai.phantom.acquisition import SHIFTED, Scanner
from atso_monai.phantom.case import FIELD_OF_VIEW, SHAPE, PhantomCase, phantom_case
from atso_monai.phantom.tissue import TISSUES, hounsfield
from atso_monai.phantom.writer import MIXED, case_seed, write_phantom

__all__ = [
    "FIELD_OF_VIEW",
    "MIXED",
    "SHAPE",
    "SHIFTED",
    "TISSUES",
    "PhantomCase",
    "Scanner",
    "case_seed",
    "hounsfield",
    "phantom_case",
    "write_phantom",
]
