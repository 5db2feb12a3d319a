"""Cases on the training grid: read once, kept memory-mapped, read as slices, and brought back to their own grid."""

from atso_monai.prepare.augmented_slices import AugmentedSlices, collate_draws
from atso_monai.prepare.case_dataset import CaseDataset, LabelledVolumes, one_case, prepare_case
from atso_monai.prepare.datalist import load_datalist
from atso_monai.prepare.foreground import slices_with_enough
from atso_monai.prepare.grid import TrainingGrid, labels_to_native, place, probabilities_to_native, to_training_grid
from atso_monai.prepare.intensity import Intensity, Window, ZScore
from atso_monai.prepare.label_file import write_label, write_label_on
from atso_monai.prepare.picture_dataset import PictureCases, PictureDataset
from atso_monai.prepare.picture_store import PictureStore
from atso_monai.prepare.placement import Placement
from atso_monai.prepare.prepared import PreparedVolume
from atso_monai.prepare.slice_batch import collate_slices
from atso_monai.prepare.slice_dataset import SliceDataset
from atso_monai.prepare.statistics import Statistics
from atso_monai.prepare.store import VolumeStore
from atso_monai.views import VIEWS, view_axis

__all__ = [
    "VIEWS",
    "AugmentedSlices",
    "CaseDataset",
    "Intensity",
    "LabelledVolumes",
    "PictureCases",
    "PictureDataset",
    "PictureStore",
    "Placement",
    "PreparedVolume",
    "SliceDataset",
    "Statistics",
    "TrainingGrid",
    "VolumeStore",
    "Window",
    "ZScore",
    "collate_draws",
    "collate_slices",
    "labels_to_native",
    "load_datalist",
    "one_case",
    "place",
    "prepare_case",
    "probabilities_to_native",
    "slices_with_enough",
    "to_training_grid",
    "view_axis",
    "write_label",
    "write_label_on",
]
