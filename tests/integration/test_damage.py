"""What is damaged in a finished run is named by a verification, never used, and made again."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atso_monai.cli.main import main
from atso_monai.engine import Engine, Run
from atso_monai.engine.status import recorded_plan
from atso_monai.engine.verify import Verdict, verify
from atso_monai.errors import RunFolderError, StepFailedError

pytestmark = pytest.mark.slow

Make = Callable[..., Engine]
Hashes = Callable[[Path], dict[str, dict[str, str]]]
MODEL = "model/g1/f1/axial"


def verified(run_dir: Path) -> Verdict:
    return verify(recorded_plan(run_dir), run_dir)


def edit(run_dir: Path, name: str, **values: Any) -> None:
    file = run_dir / name / "result.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_an_undisturbed_run_holds(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = verified(finished.run_dir)
    assert (verdict.problems, verdict.remarks, verdict.checked) == ((), (), len(finished.plan.steps))
    assert main(["status", str(finished.run_dir), "--verify"]) == 0
    assert "all hold" in capsys.readouterr().out


def test_records_hold_all_that_a_step_was_made_from(finished: Run) -> None:
    record = json.loads((finished.run_dir / MODEL / "result.json").read_text(encoding="utf-8"))
    assert set(record["made_from"]) == {"needs", "bundle", "cohort", "step"}
    assert set(record["made_from"]["needs"]) == {"labels/g1/f2"}
    assert {"train.yaml", "inference.yaml", "atso.yaml", "metadata.json"} <= set(record["made_from"]["bundle"])
    assert set(record["made_from"]["step"]) == {"config.yaml", "datalist.json", "metadata.json"}
    assert {"atso_monai", "monai", "torch", "python", "threads", "workers", "device"} <= set(record["settings"])


def test_damage_is_named_never_used_and_made_again(
    copied: Path, finished: Run, make_engine: Make, hashes: Hashes, capsys: pytest.CaptureFixture[str]
) -> None:
    label = next((copied / "labels/g1/f1").glob("*.nii.gz"))
    flip(label)
    (copied / MODEL / "model.pt").unlink()
    edit(copied, "model/final/axial", seconds=1.0)
    edit(copied, "metrics/g1", makes="metrics/g0")
    found = dict(verified(copied).problems)
    assert found == {
        "labels/g1/f1": f"{label.name} is not as it was written",
        MODEL: "model.pt is missing",
        "model/final/axial": "result.json is not as it was written",
        "metrics/g1": "result.json is not as it was written",
    }
    with pytest.raises(SystemExit) as left:
        main(["status", str(copied), "--verify"])
    assert left.value.code == 1
    assert "model.pt is missing" in capsys.readouterr().out
    make_engine(copied).run()
    said = capsys.readouterr().err
    for name, reason in found.items():
        assert f"{name}: made again, {reason}" in said
    assert verified(copied).problems == ()
    assert hashes(copied) == hashes(finished.run_dir)


def test_what_was_exchanged_together_with_its_record_is_found(copied: Path) -> None:
    for name in ("result.json", *(p.name for p in (copied / "labels/g1/f2").glob("*.nii.gz"))):
        source = copied / "labels/final/f2" / name
        (copied / "labels/g1/f2" / name).write_bytes(source.read_bytes())
    found = dict(verified(copied).problems)
    assert found["labels/g1/f2"] == "result.json is that of labels/final/f2"


def test_what_is_no_damage_is_remarked(copied: Path) -> None:
    file = copied / MODEL / "config.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "# a note\n", encoding="utf-8")
    verdict = verified(copied)
    assert verdict.problems == ()
    assert verdict.remarks == (f"{MODEL}: config.yaml is not as it was written; what it made still is",)


def test_a_disk_that_fills_is_told_and_the_run_goes_on_later(
    make_engine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine has no room for the description of a step, then a step for its record."""
    from atso_monai.engine import step_folder, worker

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "disk")

    settings = {"strategy": "supervised", "views": ["axial"]}
    for module, name, error in (
        (step_folder, "write_text", RunFolderError),
        (worker, "write_result", StepFailedError),
    ):
        with monkeypatch.context() as patch, pytest.raises(error, match=r"(?i)no space left"):
            patch.setattr(module, name, full)
            make_engine(tmp_path / "run", **settings).run()
    run = make_engine(tmp_path / "run", **settings).run()
    assert verified(run.run_dir).problems == ()
