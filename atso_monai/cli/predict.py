"""Label new scans with the model of a run: one <name>.nii.gz per scan, on the scan's own grid.

Beside them, volumes.csv holds voxels and ml of each label and the spacing of each scan."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "label new scans with the model of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, images, output folder, device, DICOM."""
    parser.add_argument("model", type=Path, metavar="RUN_OR_BUNDLE", help="a run folder, or the bundle in it")
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGES", help="volume files, folders of them, DICOM series"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for the labels")
    parser.add_argument("--device", help="e.g. cuda:1; left out, the first GPU if there is one")
    parser.add_argument(
        "--dicom-seg", action="store_true", help="also write <name>.dcm, a DICOM Segmentation on each DICOM series"
    )


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Predict, and say where the labels are."""
    from atso_monai.engine.run import empty_warning
    from atso_monai.predict import predict
    from atso_monai.volume_table import NAME

    chosen = (arguments.model, arguments.images, arguments.to)
    if arguments.dicom_seg:
        from atso_monai.review.export.predicted import predict_dicom_seg

        written = predict_dicom_seg(*chosen, device=arguments.device)
    else:
        written = predict(*chosen, device=arguments.device)
    print(f"{len(written)} label{'' if len(written) == 1 else 's'} in {arguments.to}{empty_warning(written)}")
    if (arguments.to / NAME).is_file():
        print(f"volumes in {arguments.to / NAME}")
