"""One finished run, in which nothing was disturbed, for all tests; each changes its own copy."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Engine, Run
from atso_monai.engine.record import read_result

Hashes = dict[str, dict[str, str]]


def hashes_of(run_dir: Path) -> Hashes:
    """Hash of every artefact file of a run, by step."""
    found = {}
    for file in sorted(run_dir.rglob("result.json")):
        result = read_result(file.parent)
        assert result is not None
        found[result.makes] = dict(result.files)
    return found


@pytest.fixture(scope="session")
def hashes() -> Callable[[Path], Hashes]:
    return hashes_of


@pytest.fixture(scope="session")
def make_engine(dataset_dir: Path, make_cohort: Callable[..., Cohort], small: dict[str, Any]) -> Callable[..., Engine]:
    def make(run_dir: Path, folder: Path = dataset_dir, **changes: Any) -> Engine:
        return Engine("msd_hippocampus", lambda: make_cohort(folder), run_dir, **{**small, **changes})

    return make


@pytest.fixture(scope="session")
def finished(make_engine: Callable[..., Engine], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in this process, in a folder of an awkward name."""
    return make_engine(tmp_path_factory.mktemp("runs") / "Läuf #1 50% $x").run()


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Path:
    """A copy of the finished run in another folder."""
    return Path(shutil.copytree(finished.run_dir, tmp_path / "copy"))


@pytest.fixture(scope="session")
def tool() -> ModuleType:
    """The benchmark that kills runs."""
    file = Path(__file__).parents[2] / "benchmarks" / "kill_test.py"
    sys.path.append(str(file.parent))  # it has a file beside it
    spec = importlib.util.spec_from_file_location("kill_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_test"] = module
    spec.loader.exec_module(module)
    return module
