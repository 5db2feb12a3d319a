from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from atso_monai.engine import Step
from atso_monai.engine.orders import Draft
from atso_monai.engine.record import Result, hash_files, read_result, why_not_done, write_result
from atso_monai.engine.shards import draft_in_shards, fraction_done, gather, shard_count
from atso_monai.engine.step_folder import write
from atso_monai.errors import AtsoError
from atso_monai.files import write_json

Describe = Callable[..., Any]
STEP = "predictions/g0"


@pytest.fixture
def cut(described: Describe, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Step, Draft]]:
    def make(cases: int = 1) -> tuple[Any, Step, Draft]:
        monkeypatch.setattr("atso_monai.engine.shards.CASES", cases)
        run = described()
        step = run.plan.step(STEP)
        return run, step, draft_in_shards(run.place, step, run.digests(step))

    return make


def carry_out(draft: Draft) -> None:
    folder = Path(draft.order.folder)
    for name in draft.order.expected:
        (folder / name).write_text(f"label of {name}", encoding="utf-8")
    (folder / "log.txt").write_text(f"log of {draft.order.makes}\n")
    write_result(folder, Result(draft.order.makes, draft.order.key, hash_files(folder, "*.nii.gz"), 1.5))


def test_the_number_of_shards() -> None:
    assert [shard_count(n) for n in (0, 1, 16, 17, 32, 2500)] == [1, 1, 1, 2, 2, 157]


def test_shards_share_the_cases_and_see_the_same_files(cut: Any) -> None:
    _, _, whole = cut(2)
    assert [len(shard.datalist) for shard in whole.shards] == [1, 2]
    assert [item for shard in whole.shards for item in shard.datalist] == whole.datalist
    assert sum((shard.order.expected for shard in whole.shards), ()) == whole.order.expected
    for shard in whole.shards:
        for view, path in shard.config["checkpoints"].items():
            seen = Path(shard.order.folder, path).resolve()
            assert seen == Path(whole.order.folder, whole.config["checkpoints"][view]).resolve()


def test_the_step_does_not_depend_on_shards(cut: Any, described: Describe) -> None:
    plain = described().drafts[STEP]
    for cases in (1, 2, 3):
        whole = cut(cases)[2]
        assert (whole.order, whole.config, whole.datalist) == (plain.order, plain.config, plain.datalist)
    assert not cut(3)[2].shards


def test_trainings_are_not_cut(cut: Any) -> None:
    run, _, _ = cut(1)
    step = next(step for step in run.plan.steps if step.kind == "train")
    assert not draft_in_shards(run.place, step, run.digests(step)).shards


def test_gathered_is_as_uncut(cut: Any) -> None:
    run, _, whole = cut(1)
    folder = Path(whole.order.folder)
    write(run.place, whole)
    for shard in whole.shards:
        write(run.place, shard)
    for number, shard in enumerate(whole.shards):
        assert fraction_done(folder) == pytest.approx(number / 3)
        carry_out(shard)
    result = gather(whole)
    assert result == read_result(folder)
    assert list(result.files) == sorted(whole.order.expected)
    assert (result.key, result.makes, result.seconds) == (whole.order.key, STEP, 4.5)
    assert why_not_done(folder, whole.order.key) == ""
    assert not (folder / "shards").exists()
    assert (folder / "log.txt").read_text().count("log of") == 3
    records = asdict(result)
    shutil.rmtree(folder)
    write(run.place, whole)
    carry_out(whole)
    uncut = read_result(folder)
    assert uncut is not None
    assert records["files"] == dict(uncut.files)


def test_finished_shards_stay_when_the_step_is_written_again(cut: Any) -> None:
    run, step, whole = cut(1)
    write(run.place, whole)
    write(run.place, whole.shards[0])
    carry_out(whole.shards[0])
    write_json(Path(whole.shards[1].order.folder) / "progress.json", {"done": 1, "total": 2})
    assert fraction_done(Path(whole.order.folder)) == pytest.approx(1.5 / 2)
    write(run.place, whole)
    assert why_not_done(Path(whole.shards[0].order.folder), whole.shards[0].order.key) == ""
    other = draft_in_shards(run.place, step, dict.fromkeys(step.needs, "other weights"))
    assert why_not_done(Path(whole.shards[0].order.folder), other.shards[0].order.key) == "what it is made from changed"


def test_a_changed_shard_is_not_gathered(cut: Any) -> None:
    run, _, whole = cut(2)
    write(run.place, whole)
    for shard in whole.shards:
        write(run.place, shard)
        carry_out(shard)
    record = Path(whole.shards[1].order.folder) / "result.json"
    record.write_text(record.read_text().replace(".nii.gz", ".nii"))
    with pytest.raises(AtsoError, match=r"002/result\.json is gone or was changed"):
        gather(whole)
