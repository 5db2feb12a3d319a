"""Bring a pancreas data set from the folder as downloaded into the form that runs read; its files are only read.

  atso prepare nih DIR    DICOM series and labels of TCIA's Pancreas-CT to NIfTI pairs on one grid, with pictures to
                          look at and a record of each label's alignment
  atso prepare msd FILE   Task07_Pancreas.tar, or a folder of it, unpacked and looked through

`atso run` does the first by itself where it was not done yet.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "bring NIH or Decathlon data into the form of runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data set, source, target, cases to leave out."""
    parser.add_argument("data_set", choices=("nih", "msd"))
    parser.add_argument("source", type=Path, help="the folder as downloaded (msd: or the .tar file)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: prepared/ in it (msd: beside the file)")
    parser.add_argument("--exclude", nargs="*", default=[], metavar="ID", help="cases to leave out (nih)")


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Prepare, and say what is there."""
    if arguments.data_set == "nih":
        _nih(arguments)
    else:
        _msd(arguments.source, arguments.to)


def _nih(arguments: argparse.Namespace) -> None:
    from atso_monai.cohort.nih import prepared_nih

    cases = prepared_nih(arguments.source, arguments.to, exclude=arguments.exclude, show=print)
    folder = cases[0].image.parents[1]
    print(f"{len(cases)} cases in {folder}; look at {folder / 'overlays'} before you train")


def _msd(source: Path, to: Path | None) -> None:
    from atso_monai.cohort import msd_cohort
    from atso_monai.cohort.msd_prepare import msd_summary, unpack_msd

    folder = unpack_msd(source, to or source.parent) if source.is_file() else source
    print(f"{msd_summary(msd_cohort(folder, folds=0))}\nin {folder}")
