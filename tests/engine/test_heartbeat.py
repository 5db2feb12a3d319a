from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from atso_monai.engine import heartbeat
from atso_monai.engine.heartbeat import FILE, beating
from atso_monai.engine.run_folder import held
from atso_monai.errors import RunFolderError
from atso_monai.files import read_json, write_json


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.1)


def test_an_engine_shows_that_it_lives(tmp_path: Path) -> None:
    with held(tmp_path):
        first = read_json(tmp_path / FILE)
        time.sleep(0.35)
        assert read_json(tmp_path / FILE)["beat"] > first["beat"]
    assert not (tmp_path / FILE).exists()


def test_one_on_another_machine_that_lives_is_told_and_left_alone(tmp_path: Path) -> None:
    ended = threading.Event()

    def other() -> None:
        beat = 0
        while not ended.wait(0.05):
            beat += 1
            write_json(tmp_path / FILE, {"host": "node7", "pid": 3, "beat": beat})

    write_json(tmp_path / FILE, {"host": "node7", "pid": 3, "beat": 0})
    thread = threading.Thread(target=other)
    thread.start()
    try:
        with pytest.raises(RunFolderError, match="process 3 on node7"), held(tmp_path):
            pass
    finally:
        ended.set()
        thread.join()
    assert (tmp_path / FILE).exists()


def test_the_sign_of_a_killed_one_is_taken_over(tmp_path: Path) -> None:
    for host in ("node7", heartbeat.platform.node()):
        write_json(tmp_path / FILE, {"host": host, "pid": 2**22 + 1, "beat": 5})
        with beating(tmp_path, locked=False):
            assert read_json(tmp_path / FILE)["pid"] != 2**22 + 1


def test_on_this_machine_the_lock_tells(tmp_path: Path) -> None:
    write_json(tmp_path / FILE, {"host": heartbeat.platform.node(), "pid": 1, "beat": 5})  # a number used again
    began = time.monotonic()
    with held(tmp_path):
        assert time.monotonic() - began < 0.2


def test_without_locks_the_sign_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr("atso_monai.engine.run_folder.FileLock.acquire", none)
    with held(tmp_path), pytest.raises(RunFolderError, match="Another engine works in"), held(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_sign_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with held(tmp_path):
        pass
