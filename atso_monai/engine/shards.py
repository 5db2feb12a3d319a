"""Predictions of many cases, cut into shards that run side by side and leave one artefact, as if uncut.

A shard is a prediction of some of the cases in a folder of its own, ``shards/001/`` in the step folder, with a record
of its own. When all are done their labels move into the step folder and the step gets the record that it would have had
in one piece. So neither names nor keys nor contents depend on shards, and a prediction that was interrupted goes on
with the shards that are missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from atso_monai.engine.orders import SHARDS, Draft, draft, step_config
from atso_monai.engine.plan import Step
from atso_monai.engine.record import RESULT, Result, read_result
from atso_monai.engine.worker import LOG, declare
from atso_monai.engine.workplace import Workplace
from atso_monai.errors import AtsoError
from atso_monai.files import hash_json
from atso_monai.handlers import read_progress

CASES = 16
"""Cases of a shard, at most: few enough to share the work and to lose little of it, many enough that starting a process
and reading the networks (seconds) does not count."""


def shard_count(cases: int) -> int:
    """Into how many shards a prediction of so many cases is cut."""
    return max(1, -(-cases // CASES))


def draft_in_shards(place: Workplace, step: Step, digests: Mapping[str, str]) -> Draft:
    """Describe a step, see :func:`~atso_monai.engine.orders.draft`; a prediction of many cases with its shards."""
    whole = draft(place, step, digests)
    count = shard_count(len(whole.datalist)) if step.kind == "predict" else 1
    if count == 1:
        return whole
    return replace(whole, shards=tuple(_shard(place, step, whole, number, count) for number in range(count)))


def _shard(place: Workplace, step: Step, whole: Draft, number: int, count: int) -> Draft:
    own = slice(number * len(whole.datalist) // count, (number + 1) * len(whole.datalist) // count)
    name = f"{SHARDS}/{number + 1:03d}"
    folder = Path(whole.order.folder) / name
    order = replace(
        whole.order,
        makes=f"{whole.order.makes}/{name}",
        folder=str(folder),
        key=hash_json([whole.order.key, whole.order.expected[own]]),
        expected=whole.order.expected[own],
    )
    return Draft(order, step_config(place, step, folder), whole.datalist[own])


def gather(whole: Draft) -> Result:
    """Make one artefact of all shards, which are done, and declare the step done.

    Raises:
        AtsoError: when a shard is not as its record says any more.
    """
    folder, parts = Path(whole.order.folder), []
    for shard in whole.shards:
        result = read_result(Path(shard.order.folder))
        if result is None or result.key != shard.order.key or set(result.files) != set(shard.order.expected):
            raise AtsoError(f"{shard.order.folder}/{RESULT} is gone or was changed. Run the same command again.")
        parts.append(result)
    with (folder / LOG).open("w", encoding="utf-8") as log:
        for shard, part in zip(whole.shards, parts, strict=True):
            log.write((Path(shard.order.folder) / LOG).read_text(encoding="utf-8", errors="replace"))
            for name in part.files:
                os.replace(Path(shard.order.folder) / name, folder / name)
    files = {name: digest for part in parts for name, digest in part.files.items()}
    seconds = round(sum(part.seconds for part in parts), 3)
    result = declare(whole.order, dict(sorted(files.items())), seconds, parts[0].settings)
    shutil.rmtree(folder / SHARDS)
    return result


def fraction_done(folder: Path) -> float:
    """How far the work in a step folder is, from 0 to 1."""
    if shards := [path for path in folder.glob(f"{SHARDS}/*") if path.is_dir()]:
        return sum(1.0 if (path / RESULT).is_file() else fraction_done(path) for path in shards) / len(shards)
    progress = read_progress(folder / "progress.json")
    return min(1.0, progress["done"] / progress["total"]) if progress.get("total") else 0.0
