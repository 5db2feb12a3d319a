from __future__ import annotations

import importlib
import multiprocessing
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, Invertd, Lambdad, Spacingd

from atso_monai.adapter import own_code, own_workers, working_copy
from atso_monai.adapter.working_copy import SMALL, code_digest

Contents = Callable[[Path], dict[str, str]]


def bundle(root: Path, who: str, init: bool = True) -> Path:
    (root / "scripts").mkdir(parents=True)
    if init:
        (root / "scripts" / "__init__.py").write_text("")
    (root / "scripts" / "net.py").write_text(f"WHO = {who!r}\n")
    return root


@pytest.mark.parametrize("init", [True, False])
def test_each_bundle_runs_its_own_code(tmp_path: Path, init: bool) -> None:
    path = list(sys.path)
    for who in ("first", "second", "first"):
        root = tmp_path / who
        with own_code(root if root.is_dir() else bundle(root, who, init)):
            assert who == importlib.import_module("scripts.net").WHO
        assert not [name for name in sys.modules if name.partition(".")[0] == "scripts"]
    assert sys.path == path


def test_modules_of_others_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = types.ModuleType("scripts")
    monkeypatch.setitem(sys.modules, "scripts", mine)
    with pytest.raises(ZeroDivisionError), own_code(bundle(tmp_path, "bundle")):
        assert importlib.import_module("scripts.net").WHO == "bundle"
        raise ZeroDivisionError
    assert sys.modules["scripts"] is mine
    assert "scripts.net" not in sys.modules


def test_a_folder_without_code_changes_nothing(tmp_path: Path) -> None:
    before, path = dict(sys.modules), list(sys.path)
    with own_code(tmp_path / "nowhere"):
        assert sys.path == path
    assert sys.modules == before


def test_a_working_copy_cannot_reach_the_original(tmp_path: Path, contents: Contents) -> None:
    root = bundle(tmp_path / "bundle #1", "x")
    (root / "scripts" / "__pycache__").mkdir()
    (root / "scripts" / "__pycache__" / "net.pyc").write_bytes(b"old")
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"w" * (SMALL + 1))
    before, digest = contents(root), code_digest(root)
    copy = tmp_path / "copy"
    working_copy(root, copy)
    assert (copy / "models" / "model.pt").read_bytes() == (root / "models" / "model.pt").read_bytes()
    assert not list(copy.rglob("__pycache__"))
    (copy / "scripts" / "net.py").write_text("WHO = 'changed'")
    (copy / "models" / "new.pt").write_bytes(b"new")
    assert contents(root) == before
    assert code_digest(root) == digest != code_digest(copy)


def test_the_digest_is_that_of_what_is_computed_with(tmp_path: Path) -> None:
    root = bundle(tmp_path / "bundle", "x")
    (root / "configs").mkdir()
    before = code_digest(root)
    (root / "configs" / "train.json").write_text("{}")  # its content is told apart by what is made of it
    (root / "docs").mkdir()
    (root / "docs" / "README.txt").write_text("read me")
    assert code_digest(root) == before
    (root / "configs" / "label_dict.json").write_text("{}")
    assert code_digest(root) != before


def test_what_workers_applied_can_be_inverted() -> None:
    """In the processes of steps the start method is forkserver, after which MONAI refuses this."""
    multiprocessing.set_start_method("forkserver", force=True)
    try:
        before = Compose([Spacingd("image", (2.0, 2.0, 2.0)), Lambdad("image", lambda x: x + 1)])
        dataset = Dataset([{"image": MetaTensor(torch.ones(1, 8, 8, 8), affine=torch.eye(4))}], before)
        with own_workers(True):
            batch = next(iter(DataLoader(dataset, batch_size=1, num_workers=1)))
            batch["pred"] = batch["image"]
            (item,) = decollate_batch(batch)
            found = Invertd("pred", before, orig_keys="image")(item)["pred"]
        assert tuple(found.shape) == (1, 8, 8, 8)
        assert multiprocessing.get_start_method() == "forkserver"
        with own_workers(False):
            assert multiprocessing.get_start_method() == "forkserver"
    finally:
        multiprocessing.set_start_method(None, force=True)
