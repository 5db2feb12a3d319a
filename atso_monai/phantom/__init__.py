"""Abdominal CT phantoms with a pancreas label, made by code from a seed."""

from atso_monai.phantom.acquisition import SHIFTED, Scanner
from atso_monai.phantom.case import FIELD_OF_VIEW, SHAPE, PhantomCase, phantom_case
from atso_monai.phantom.msd_task import write_msd_task
from atso_monai.phantom.tcia import DEFECTS, write_tcia
from atso_monai.phantom.tissue import TISSUES, hounsfield
from atso_monai.phantom.writer import MIXED, case_seed, write_phantom

__all__ = [
    "DEFECTS",
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
    "write_msd_task",
    "write_phantom",
    "write_tcia",
]
