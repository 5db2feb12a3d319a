"""Every block of ``docs/recipes.md`` is run, in order, in a folder with ten tiny scans and a small bundle."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atso_monai.cli.main import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(\w+)(?: file=(\S+))?\n(.*?)```", re.DOTALL)
QUICK = shlex.split("--executor inline --generations 1 --epochs 1 --strategy supervised --views [axial]")
OWN = ["--overrides", "{train: {epoch_length: 2, batch_size: 4}}"]


def sections() -> dict[str, str]:
    """The text of each recipe, by title."""
    _, *parts = re.split(r"^## ", (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def fixtures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("adapter_fixtures", ROOT / "tests" / "adapter" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def place(tmp_path: Path, dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``scans``, ``labels`` and ``my_bundle``, which is also the working folder."""
    for kind, name in (("image", "scans"), ("label", "labels")):
        shutil.copytree(dataset_dir / f"{kind}s # 50%", tmp_path / name)
    fixtures().write_zoo(tmp_path / "my_bundle")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def command(line: str) -> None:
    words = shlex.split(line.removeprefix("PYTHONPATH=. "))
    assert words[0] == "atso"
    quick = [*QUICK, *([] if "my_bundle" in words else OWN)] if words[1] == "run" else []
    assert main([*words[1:], *quick]) == 0, line


@pytest.mark.parametrize("title", sections())
def test_a_recipe_works(title: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(sys.modules)
    for kind, file, text in BLOCK.findall(sections()[title]):
        if file:
            (place / file).write_text(text, encoding="utf-8")
        if kind == "bash":
            for line in text.strip().splitlines():
                command(line)
        elif kind == "python":
            exec(compile(text, file or title, "exec"), {"__name__": "recipe"})
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]
    for run in place.glob("runs/*"):
        assert (run / "bundle" / "configs" / "inference.yaml").is_file(), run
