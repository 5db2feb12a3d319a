from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from atso_monai.engine.record import read_result, why_not_done
from atso_monai.engine.worker import Order, run_step
from atso_monai.errors import AtsoError
from atso_monai.files import write_json


def order(
    folder: Path, run: list[str], expected: tuple[str, ...] = ("scores.csv",), threads: int = 1, **ids: Any
) -> Order:
    folder.mkdir(parents=True)
    content = {"imports": ["$from pathlib import Path"], "output_dir": "repeat", **ids, "run": run}
    (folder / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    write_json(folder / "metadata.json", {"version": "1"})
    return Order("metrics/g1", "score", str(folder), "the key", expected, threads)


WRITE = "$Path(@output_dir, 'scores.csv').write_text('x')"


def test_a_step_leaves_its_record(tmp_path: Path) -> None:
    folder = tmp_path / "ä #1 50%"
    before = logging.getLogger().handlers[:], logging.getLogger().level, torch.get_num_threads()
    result = run_step(order(folder, [WRITE]))
    assert (result["makes"], result["key"], list(result["files"])) == ("metrics/g1", "the key", ["scores.csv"])
    assert why_not_done(folder, "the key") == ""
    recorded = read_result(folder)
    assert recorded is not None
    assert {"torch", "monai", "atso_monai", "python", "threads", "device"} <= set(recorded.settings)
    assert before == (logging.getLogger().handlers[:], logging.getLogger().level, torch.get_num_threads())


def test_all_that_is_said_goes_to_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "stdout", os.fdopen(1, "w", closefd=False, encoding="utf-8")
    )  # pytest's own is no real one
    run = [
        "$print('printed ä')",
        "$__import__('os').write(1, b'native out')",
        "$__import__('os').write(2, b'native err')",
        "$__import__('logging').getLogger('some.where').info('logged')",
        WRITE,
    ]
    run_step(order(tmp_path / "s", run))
    log = (tmp_path / "s" / "log.txt").read_text(encoding="utf-8")
    for text in ("printed ä", "native out", "native err", "some.where INFO: logged"):
        assert text in log
    os.write(1, b"after")
    print("later", file=sys.stdout, flush=True)
    shown = capfd.readouterr()
    assert shown.out == "afterlater\n"
    assert shown.err == ""


def test_an_error_is_in_the_log_and_leaves_no_record(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"evaluate|division"):
        run_step(order(tmp_path / "s", ["$1 / 0"]))
    log = (tmp_path / "s" / "log.txt").read_text(encoding="utf-8")
    assert "ZeroDivisionError: division by zero" in log
    assert why_not_done(tmp_path / "s") == "not made yet"


def test_a_run_that_leaves_too_little_has_failed(tmp_path: Path) -> None:
    with pytest.raises(AtsoError, match=r"1 of 2 files were not written, first b\.csv"):
        run_step(order(tmp_path / "s", [WRITE], ("scores.csv", "b.csv")))
    assert why_not_done(tmp_path / "s") == "not made yet"


def test_threads_are_those_of_the_order(tmp_path: Path) -> None:
    run = ["$Path('scores.csv').write_text(str(__import__('torch').get_num_threads()))"]
    result = run_step(order(tmp_path / "s", run, threads=2))
    assert (tmp_path / "s" / "scores.csv").read_text() == "2"
    assert result["settings"]["threads"] == 2


def test_the_device_is_handed_to_the_run(tmp_path: Path) -> None:
    one = order(
        tmp_path / "s", ["$Path(@output_dir, 'x.nii.gz').write_text(str(@device))"], ("x.nii.gz",), device="none"
    )
    run = {
        **yaml.safe_load((tmp_path / "s" / "config.yaml").read_text()),
        "evaluator": {"_target_": "ignite.engine.Engine"},
    }
    run["evaluator"]["process_function"] = "$lambda engine, batch: None"
    (tmp_path / "s" / "config.yaml").write_text(yaml.safe_dump(run))
    predict = Order(one.makes, "predict", one.folder, one.key, one.expected, 1)
    result = run_step(predict, device="cuda:1")
    assert (tmp_path / "s" / "x.nii.gz").read_text() == "cuda:1"
    assert result["settings"]["device"] == "cuda:1"
