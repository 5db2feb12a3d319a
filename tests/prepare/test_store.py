from __future__ import annotations

import gzip
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai import volume_file
from atso_monai.errors import PrepareError
from atso_monai.prepare import PreparedVolume, TrainingGrid, VolumeStore, Window, ZScore, store

SHAPE = (6, 5, 4)
LPS = np.diag([-1.0, -2.0, 3.0, 1.0])


def numbers() -> np.ndarray:
    return np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16)


def never(*_: object, **__: object) -> None:
    raise AssertionError("voxels were read")


def forbid(patch: pytest.MonkeyPatch) -> None:
    for module, name in [(volume_file, "read_nifti"), (volume_file, "read_itk"), (store, "to_training_grid")]:
        patch.setattr(module, name, never)


def content(volume: PreparedVolume) -> list[np.ndarray]:
    return [np.array(volume.array(view)) for view in range(3)]


def test_views_are_those_of_the_ras_volume(tmp_path: Path, save) -> None:
    volume = VolumeStore(tmp_path / "c").image(save("v.nii.gz", numbers(), LPS))
    expected = np.asarray(nib.as_closest_canonical(nib.Nifti1Image(numbers(), LPS)).dataobj)
    assert volume.shape == SHAPE
    for axis, view in enumerate(("sagittal", "coronal", "axial")):
        array = volume.array(view)
        np.testing.assert_array_equal(array, np.moveaxis(expected, axis, 0))
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        assert isinstance(array.base, np.memmap)


def test_a_view_is_written_when_it_is_first_asked_for(tmp_path: Path, save) -> None:
    volume = VolumeStore(tmp_path / "c").image(save("v.nii.gz", numbers()))
    assert sorted(f.name for f in volume.folder.iterdir()) == ["record.json", "view0.npy"]
    volume.array(2)
    assert sorted(f.name for f in volume.folder.iterdir()) == ["record.json", "view0.npy", "view2.npy"]


@pytest.mark.parametrize("grid", [TrainingGrid(), TrainingGrid((None, 1, 2.0), (9, 3, 5))])
def test_the_second_start_reads_no_voxel(
    tmp_path: Path, save, grid: TrainingGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, label = save("v.nii.gz", numbers(), LPS), save("l.nii.gz", (numbers() > 0).astype(np.uint8), LPS)
    first = VolumeStore(tmp_path / "c", grid)
    image, truth = first.image(path), first.label(label)
    kept = content(image) + content(truth)
    forbid(monkeypatch)
    again = VolumeStore(str(tmp_path / "c"), grid, Window(0, 1))
    for old, new in [(image, again.image(path)), (truth, again.label(label))]:
        assert (new.placement, new.statistics, new.dtype) == (old.placement, old.statistics, old.dtype)
    for old, new in zip(kept, content(again.image(path)) + content(again.label(label)), strict=True):
        np.testing.assert_array_equal(old, new)


def test_each_file_is_read_once(tmp_path: Path, save, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read, times = save("v.nii.gz", numbers()), volume_file.read_nifti, []

    def counted(file: Path) -> object:
        times.append(file)
        return read(file)

    monkeypatch.setattr(volume_file, "read_nifti", counted)
    prepared = VolumeStore(tmp_path / "c", TrainingGrid(size=(4, 4, 4)))
    for _ in range(2):
        content(prepared.image(path))
    assert len(times) == 1


def test_the_key_is_content_affine_and_grid(tmp_path: Path, save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save("v.nii.gz", numbers(), LPS)
    known = VolumeStore(tmp_path / "c").image(path).folder
    plain = Path(save("other/name.nii", numbers().astype(np.float32), LPS))
    assert VolumeStore(tmp_path / "c", None, ZScore()).image(plain).folder == known
    others = [
        VolumeStore(tmp_path / "c", TrainingGrid(size=(4, 4, 4))).image(path),
        VolumeStore(tmp_path / "c", TrainingGrid((2, 2, 2))).image(path),
        VolumeStore(tmp_path / "c").image(save("w.nii.gz", numbers(), np.eye(4))),
        VolumeStore(tmp_path / "c").image(save("x.nii.gz", numbers() + 1, LPS)),
        VolumeStore(tmp_path / "c").label(save("l.nii.gz", numbers() % 3, LPS)),
        VolumeStore(tmp_path / "c").label(save("l.nii.gz", numbers() % 3, LPS), {1: 1, 2: 1}),
        VolumeStore(tmp_path / "c").image(save("l.nii.gz", numbers() % 3, LPS)),
    ]
    assert len({known, *(volume.folder for volume in others)}) == 8


def test_a_file_written_anew_is_prepared_anew(tmp_path: Path, save) -> None:
    prepared = VolumeStore(tmp_path / "c")
    path = save("v.nii.gz", numbers())
    np.testing.assert_array_equal(prepared.image(path).array(), numbers())
    save("v.nii.gz", numbers() + 1)
    os.utime(path, ns=(1, os.stat(path).st_mtime_ns + 1))
    np.testing.assert_array_equal(prepared.image(path).array(), numbers() + 1)


@pytest.mark.parametrize("damage", ["view0.npy", "view2.npy", "record.json"])
@pytest.mark.parametrize("how", ["cut", "empty", "gone"])
def test_damaged_entries_are_made_anew(tmp_path: Path, save, damage: str, how: str) -> None:
    path = save("v.nii.gz", numbers())
    first = VolumeStore(tmp_path / "c").image(path)
    kept, file = content(first), first.folder / damage
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] if how == "cut" else b"")
    prepared = VolumeStore(tmp_path / "c")
    for old, new in zip(kept, content(prepared.image(path)), strict=True):
        np.testing.assert_array_equal(old, new)


def test_entries_damaged_under_an_open_store(tmp_path: Path, save) -> None:
    path = save("v.nii.gz", numbers())
    prepared = VolumeStore(tmp_path / "c")
    file = prepared.image(path).folder / "view0.npy"
    content(prepared.image(path))
    file.write_bytes(file.read_bytes()[:-1])
    np.testing.assert_array_equal(prepared.image(path).array(), numbers())
    shutil.rmtree(tmp_path / "c")
    np.testing.assert_array_equal(prepared.image(path).array(), numbers())
    volume = VolumeStore(tmp_path / "c").image(path)
    shutil.rmtree(tmp_path / "c")
    with pytest.raises(PrepareError, match="removed or damaged while in use"):
        volume.array()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0, 255], np.int64), "uint8"),
        (np.array([-1, 255], np.float32), "int16"),
        (np.array([0, 40000], np.uint16), "int32"),
        (np.array([0, 0.5], np.float64), "float32"),
        (np.array([0, 2.0**40], np.float32), "float32"),
    ],
)
def test_voxels_are_kept_in_the_smallest_type_without_loss(
    tmp_path: Path, save, values: np.ndarray, dtype: str
) -> None:
    array = np.broadcast_to(values, (3, 2, 2)).copy()
    image = nib.Nifti1Image(array, np.eye(4), dtype=array.dtype)
    nib.save(image, tmp_path / "v.nii")
    volume = VolumeStore(tmp_path / "c").image(tmp_path / "v.nii")
    assert volume.dtype == dtype
    np.testing.assert_array_equal(volume.array(), array)


def test_statistics_leave_padding_out_and_padding_is_the_minimum(tmp_path: Path, save) -> None:
    volume = VolumeStore(tmp_path / "c", TrainingGrid(size=(8, 8, 2))).image(save("v.nii.gz", numbers()))
    inside = np.array(volume.array()[volume.placement.interior], dtype=np.float64)
    assert volume.statistics is not None
    assert volume.statistics.mean == pytest.approx(inside.mean())
    assert volume.statistics.std == pytest.approx(inside.std())
    assert (volume.statistics.minimum, volume.statistics.maximum) == (inside.min(), inside.max())
    outside = np.ones(volume.shape, bool)
    outside[volume.placement.interior] = False
    assert (volume.array()[outside] == inside.min()).all()


def test_labels_are_mapped_padded_with_background_and_counted(tmp_path: Path, save) -> None:
    raw = (np.random.default_rng(1).integers(0, 4, SHAPE)).astype(np.float32)
    prepared = VolumeStore(tmp_path / "c", TrainingGrid(size=(8, 5, 4)))
    volume = prepared.label(save("l.nii.gz", raw), {"1": 2, "2": 1, "3": 0})
    expected = np.pad(np.array([0, 2, 1, 0], np.uint8)[raw.astype(int)], ((1, 1), (0, 0), (0, 0)))
    np.testing.assert_array_equal(volume.array(), expected)
    assert (volume.dtype, volume.statistics) == ("uint8", None)
    for axis, others in enumerate([(1, 2), (0, 2), (0, 1)]):
        np.testing.assert_array_equal(volume.foreground(axis), np.count_nonzero(expected, axis=others))


def flat_file(path: Path) -> str:
    header = nib.Nifti1Header()
    header["sform_code"], header["srow_x"], header["srow_z"] = 1, [1, 0, 0, 0], [0, 0, 1, 0]
    nib.save(nib.Nifti1Image(numbers(), None, header), path)
    return str(path)


def test_files_that_cannot_be_prepared_are_named(tmp_path: Path, save) -> None:
    bad = numbers().astype(np.float32)
    bad[0, 0, 0] = np.nan
    prepared = VolumeStore(tmp_path / "c")
    cases = [
        (prepared.image, save("nan.nii.gz", bad), "NaN or infinite"),
        (
            prepared.image,
            save("four.nii.gz", numbers()[..., None, None] + np.zeros((1, 1, 1, 1, 2), np.int16)),
            "three axes",
        ),
        (prepared.image, flat_file(tmp_path / "flat.nii.gz"), "finite and invertible"),
        (prepared.label, save("soft.nii.gz", numbers() / np.float32(7)), "no label file"),
        (prepared.label, save("high.nii.gz", numbers()), "no label file|class indices"),
        (prepared.image, str(tmp_path / "none.nii.gz"), "no such file"),
    ]
    for prepare, path, reason in cases:
        with pytest.raises(PrepareError, match=reason) as caught:
            prepare(path)
        assert path in str(caught.value)


def test_many_processes_may_race(tmp_path: Path, save) -> None:
    path, start = save("v.nii.gz", numbers()), threading.Barrier(8)

    def prepare(_: int) -> list[np.ndarray]:
        start.wait()
        return content(VolumeStore(tmp_path / "c").image(path))

    with ThreadPoolExecutor(8) as pool:
        for arrays in pool.map(prepare, range(8)):
            np.testing.assert_array_equal(arrays[0], numbers())
            np.testing.assert_array_equal(arrays[2], np.moveaxis(numbers(), 2, 0))
    left = [f.name for f in (tmp_path / "c").rglob("*") if f.is_file() and f.suffix not in (".npy", ".json")]
    assert not left
    assert len([f for f in (tmp_path / "c").rglob("*") if f.is_file()]) == 5


def test_any_cache_folder_name(tmp_path: Path, save) -> None:
    volume = VolumeStore(tmp_path / "ä #1 50% $x" / ("n" * 100), None).image(save("a#b $c%.nii.gz", numbers()))
    np.testing.assert_array_equal(volume.array(1), np.moveaxis(numbers(), 1, 0))


def test_real_cases_come_back_voxel_for_voxel(tmp_path: Path) -> None:
    from atso_monai.prepare import labels_to_native

    data = Path(__file__).parents[2] / ".." / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the real data are not beside the project folder")
    files = sorted((data / "Task04_Hippocampus" / "labelsTr").glob("*.nii.gz"))[:3]
    files += sorted((data / "ct_example").glob("example_seg*.nii.gz"))
    prepared = VolumeStore(tmp_path / "c", TrainingGrid(size=(None, None, 64)))
    for file in files:
        volume = prepared.label(file)
        back = labels_to_native(volume.array(), volume.placement)
        np.testing.assert_array_equal(back, np.asarray(nib.load(file).dataobj))


def test_compression_plays_no_part(tmp_path: Path, save) -> None:
    path = Path(save("v.nii.gz", numbers()))
    known = VolumeStore(tmp_path / "c").image(path).folder
    (tmp_path / "w.nii.gz").write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 9))
    assert VolumeStore(tmp_path / "c").image(tmp_path / "w.nii.gz").folder == known
