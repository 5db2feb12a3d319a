"""Write a run's labels for other programs.

slicer     scans, .seg.nrrd segmentations (final label, fold models, where they disagree), scenes, and a script:
           Slicer --python-script DIR/open_in_slicer.py
dicom-seg  DICOM Segmentation objects, where the scans are DICOM series
nifti      <id>.nii.gz, with labels.json and labels.csv for the names of the values"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "write a run's labels for 3D Slicer, as DICOM SEG or as NIfTI"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Run folder, target, format, whether to copy scans."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="new folder for the files")
    parser.add_argument("--format", default="slicer", metavar="FORMAT", help="slicer (default), dicom-seg or nifti")
    parser.add_argument(
        "--copy-images", action="store_true", help="with slicer: copy the scans; left out, they are hard links"
    )


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Export, and say what to do with it."""
    from atso_monai.review.export import export

    run = export(arguments.run, arguments.to, arguments.format, copy_images=arguments.copy_images)
    print(f"{len(run.cases)} cases in {arguments.to}")
    if arguments.format == "slicer":
        print(f"open with   Slicer --python-script '{arguments.to / 'open_in_slicer.py'}'")
