from __future__ import annotations

import os
from pathlib import Path

import pytest

from atso_monai.engine import memory


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system does not tell")
def test_a_limit_of_the_job_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "LIMITS", (limit, tmp_path / "missing"))
    machine = memory.memory_bytes()
    assert 1e8 < machine < 1e15
    limit.write_text("max\n")
    assert memory.memory_bytes() == machine
    limit.write_text("1000000\n")
    assert memory.memory_bytes() == 1_000_000
