"""The folder of a step, written anew for each attempt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from atso_monai.adapter import FOLDER, SECTION, working_copy
from atso_monai.bundle import CONFIG, metadata
from atso_monai.engine.orders import DATALIST, SHARDS, Draft
from atso_monai.engine.worker import LOG, checkpoints_of
from atso_monai.engine.workplace import Workplace
from atso_monai.files import write_json, write_text
from atso_monai.handlers.loss_curve import FILE as LOSSES

PREVIOUS_LOG = "log.previous.txt"


def write(place: Workplace, plan: Draft) -> str:
    """Write a step's folder anew: what an unfinished attempt left there goes, but for its log and a good checkpoint.

    Returns:
        Where a training goes on, or why its checkpoint is not used; else an empty text.
    """
    folder = Path(plan.order.folder)
    checkpoints = checkpoints_of(plan.order)
    problem, record, kept = checkpoints.problem(), checkpoints.read(), checkpoints.keep()
    _clear(folder, (*kept, *([LOSSES] if kept else []), *([SHARDS] if plan.shards else [])))
    write_json(folder / DATALIST, plan.datalist)
    root = place.bundle_of(plan.order.kind)
    write_json(folder / "metadata.json", metadata(root))
    path = ""
    if SECTION in plan.config:  # its own code and small files, where nothing that it writes can reach the original
        working_copy(root, folder / FOLDER)
        path = f"PYTHONPATH={FOLDER} "
    ranks = plan.order.ranks
    start = "python" if ranks == 1 else f"torchrun --standalone --nproc_per_node {ranks}"
    head = (
        f"# Step {plan.order.makes}. To repeat it by hand, into the folder repeat/ beside this file:\n"
        f"#   {path}{start} -m monai.bundle run --config_file {CONFIG} --meta_file metadata.json\n"
    )
    write_text(folder / CONFIG, head + yaml.safe_dump(dict(plan.config), sort_keys=False, allow_unicode=True))
    if problem:
        return f"its checkpoint is not used, {problem}; starts anew"
    return f"goes on at iteration {record.iteration} of {record.total}" if record and kept else ""


def _clear(folder: Path, kept: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / LOG).is_file():
        os.replace(folder / LOG, folder / PREVIOUS_LOG)
    for path in folder.iterdir():
        if path.name in (*kept, PREVIOUS_LOG):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
