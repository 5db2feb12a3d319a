"""Runs bundles that know nothing of the engine: finds their parts, rewires their configurations, keeps them apart."""

from atso_monai.adapter.adapt import Adapted, adapt, written_for_the_engine
from atso_monai.adapter.cases import cases
from atso_monai.adapter.collect import collect_labels
from atso_monai.adapter.inert import Inert
from atso_monai.adapter.isolation import own_code, own_workers
from atso_monai.adapter.mapping import BundleMapping, InferenceIds, TrainIds, read_mapping
from atso_monai.adapter.rewiring import SCRATCH, SECTION
from atso_monai.adapter.training import follow_training
from atso_monai.adapter.working_copy import FOLDER, working_copy

__all__ = [
    "FOLDER",
    "SCRATCH",
    "SECTION",
    "Adapted",
    "BundleMapping",
    "Inert",
    "InferenceIds",
    "TrainIds",
    "adapt",
    "cases",
    "collect_labels",
    "follow_training",
    "own_code",
    "own_workers",
    "read_mapping",
    "working_copy",
    "written_for_the_engine",
]
