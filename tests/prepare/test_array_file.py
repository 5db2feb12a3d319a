from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from atso_monai.errors import PrepareError
from atso_monai.prepare.array_file import OpenArrays, open_array, write_array

VOLUME = np.random.default_rng(0).integers(-9, 9, (5, 4, 3)).astype(np.int16)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("volume", [VOLUME, np.asfortranarray(VOLUME), VOLUME[::-1, :, ::-1]])
def test_what_is_written_is_read(
    tmp_path: Path, axis: int, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atso_monai.prepare.array_file._SLAB_VOXELS", 25)
    write_array(tmp_path / "v.npy", volume, axis)
    expected = np.moveaxis(volume, axis, 0)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected)
    found = open_array(tmp_path / "v.npy", expected.shape, "int16")
    assert found is not None
    assert found.flags.c_contiguous
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, expected)


def test_files_that_are_not_whole(tmp_path: Path) -> None:
    file = tmp_path / "v.npy"
    assert open_array(file, VOLUME.shape, "int16") is None
    write_array(file, VOLUME, 0)
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:40], b"", b"x" * 500):
        file.write_bytes(content)
        assert open_array(file, VOLUME.shape, "int16") is None
    file.write_bytes(whole)
    assert open_array(file, (4, 5, 3), "int16") is None
    assert open_array(file, VOLUME.shape, "uint8") is None


def test_only_a_few_stay_open(tmp_path: Path) -> None:
    opened = OpenArrays(limit=3)
    for number in range(10):
        write_array(tmp_path / f"{number}.npy", VOLUME, 0)
        opened.get(tmp_path / f"{number}.npy", VOLUME.shape, "int16")
    assert len(opened) == 3
    last = opened.get(tmp_path / "9.npy", VOLUME.shape, "int16")
    assert opened.get(tmp_path / "9.npy", VOLUME.shape, "int16") is last
    assert len(pickle.loads(pickle.dumps(opened))) == 0
    opened.forget(tmp_path)
    assert len(opened) == 0


def test_only_so_much_is_open(tmp_path: Path) -> None:
    opened = OpenArrays(megabytes=2.5 * VOLUME.nbytes / 1e6)
    for number in range(5):
        write_array(tmp_path / f"{number}.npy", VOLUME, 0)
        assert opened.get(tmp_path / f"{number}.npy", VOLUME.shape, "int16") is not None
    assert len(opened) == 2
    large = OpenArrays(megabytes=0)
    assert large.get(tmp_path / "0.npy", VOLUME.shape, "int16") is not None
    assert large.get(tmp_path / "1.npy", VOLUME.shape, "int16") is not None
    assert len(large) == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrepareError, match=r"Cannot write .*v.npy"):
        write_array(tmp_path / "file" / "v.npy", VOLUME, 0)
