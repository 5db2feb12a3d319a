"""Run ATSO, or continue a run: scans and a few labels in, pseudo labels and a model out.

Every id of the bundle's configs/atso.yaml can be set as --id value. The usual ones:

  --output_dir DIR      the run folder; the same command again continues the run in it
  --dataset_dir DIR     the data set of the bundle
  --cohort FILE         a cohort file says who is who, e.g. one that `atso promote` wrote
  --labelled, --reference, --test N     how many cases play which role (or lists of ids)
  --label_names '{1: liver, 2: spleen}'   --label_map '{2: 1, 5: 2}'   class of each value in the label files
  --strategy atso       --compare "[supervised_matched, stso, oracle]"
  --generations 2       --folds 2       --views "[sagittal, coronal, axial]"       --seed 0
  --epochs 6            or '{first: 6, later: 12}'; an epoch is epoch_length optimiser steps:
  --overrides '{train: {epoch_length: 50, batch_size: 16}}'
  --workers 2           --threads 1     --devices "[cuda:0, cuda:1]"      --cache_dir DIR
  --ranks 2             GPUs for each training, with the bundle's overlay for torchrun (docs/cluster.md)

Any MONAI bundle, such as one of the model zoo, can be trained without a change to it (docs/any_bundle.md):
  --train-bundle DIR --infer-bundle DIR [--mapping FILE], or --bundle DIR for both

For example:

  atso run --bundle msd_hippocampus --dataset_dir Task04_Hippocampus --output_dir runs/hippocampus
  atso run --images scans --labels labels --output_dir runs/mine --workers 4
  atso run --train-bundle spleen --infer-bundle spleen --images scans --labels labels --output_dir runs/spleen
  atso run --output_dir runs/phantom --compare "[supervised_matched, stso, oracle]" --generations 3

`atso --help` says what the words mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from atso_monai.cli import settings

HELP = "run ATSO, or continue a run"
add_arguments = settings.add_arguments


def carry_out(arguments: argparse.Namespace, rest: Sequence[str]) -> None:
    """Run, and print the tables."""
    from atso_monai.engine.run import print_run

    print_run(settings.workflow(arguments, rest).engine.run())
