"""Who is who: cases, cohorts with roles and reference folds, their sources, and the checks before any work."""

from atso_monai.cohort.camvid import camvid_cohort
from atso_monai.cohort.case import Case
from atso_monai.cohort.checks import check_cohort, require_sound
from atso_monai.cohort.cityscapes import cityscapes_cohort
from atso_monai.cohort.cohort import Cohort
from atso_monai.cohort.folders import folder_cohort, pair_folders
from atso_monai.cohort.folds import make_folds
from atso_monai.cohort.geometry import copy_geometry, reorder_label
from atso_monai.cohort.joined import joined_cohort
from atso_monai.cohort.labels import merged_names, named_labels
from atso_monai.cohort.mapillary import mapillary_cohort
from atso_monai.cohort.msd import msd_cohort
from atso_monai.cohort.nih import NihSplit, nih_cohort, nih_splits
from atso_monai.cohort.pairing import Pair, Pairing, pair_by_name, pairing_table
from atso_monai.cohort.phantom import phantom_cohort
from atso_monai.cohort.problem import Problem, report
from atso_monai.cohort.splits import split

__all__ = [
    "Case",
    "Cohort",
    "NihSplit",
    "Pair",
    "Pairing",
    "Problem",
    "camvid_cohort",
    "check_cohort",
    "cityscapes_cohort",
    "copy_geometry",
    "folder_cohort",
    "joined_cohort",
    "make_folds",
    "mapillary_cohort",
    "merged_names",
    "msd_cohort",
    "named_labels",
    "nih_cohort",
    "nih_splits",
    "pair_by_name",
    "pair_folders",
    "pairing_table",
    "phantom_cohort",
    "reorder_label",
    "report",
    "require_sound",
    "split",
]
