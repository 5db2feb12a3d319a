"""The first command of the README, made small."""

from __future__ import annotations

from pathlib import Path

import pytest

from atso_monai.cli.main import main

pytestmark = pytest.mark.slow


def test_the_demo_runs_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["demo", "--output_dir", str(tmp_path / "demo"), "--shape", "[48, 48, 16]", "--labelled", "2"]
    words += ["--reference", "2", "--test", "1", "--generations", "1", "--epochs", "1", "--executor", "inline"]
    words += ["--compare", "[supervised]", "--overrides", "{train: {epoch_length: 1, batch_size: 2}}"]
    assert main(words) == 0
    assert (tmp_path / "demo" / "overlay.png").stat().st_size > 1000
    shown = capsys.readouterr().out
    assert "test DSC" in shown and "overlay.png" in shown
