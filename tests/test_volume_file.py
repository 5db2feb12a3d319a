from __future__ import annotations

import gzip
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest

from atso_monai import volume_file
from atso_monai.errors import PrepareError
from atso_monai.volume_file import VolumeFacts, case_id, inspect_volume, read_volume

AFFINE = np.array([[-1.5, 0.2, 0, 7], [0.1, 1.25, 0, -3], [0, 0.3, 3.0, 11], [0, 0, 0, 1]])
SHAPE = (5, 4, 3)
ODD_NAMES = [
    "with space.nii.gz",
    "a#b.nii.gz",
    "50%.nii.gz",
    "$(rm).nii.gz",
    "bäuchе-腹.nii.gz",
    "n" * 240 + ".nii.gz",
]


def numbers(dtype: str = "int16", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.header["pixdim"][4:] = 1
    nib.save(image, path)
    return path


def never(*_: object, **__: object) -> None:
    raise AssertionError("voxels were read")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scans/liver.v2.nii.gz", "liver.v2"),
        ("a.nii", "a"),
        ("/x/B.NRRD", "B"),
        ("c.mha", "c"),
        ("plain", "plain"),
        ("d.nii.gz.txt", "d.nii.gz.txt"),
    ],
)
def test_case_id(name: str, expected: str) -> None:
    assert case_id(name) == case_id(Path(name)) == expected


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_unscaled_values_and_types_stay(tmp_path: Path, dtype: str, name: str) -> None:
    array, affine = read_volume(save(tmp_path / name, numbers(dtype)))
    np.testing.assert_array_equal(array, numbers(dtype))
    assert array.dtype == dtype
    np.testing.assert_allclose(affine, AFFINE, atol=1e-6)


def test_big_endian_and_nifti2_are_read_alike(tmp_path: Path) -> None:
    image = nib.Nifti2Image(numbers(), AFFINE)
    nib.save(image, tmp_path / "two.nii.gz")
    nib.Nifti1Image(numbers(), AFFINE, nib.Nifti1Header(endianness=">")).to_filename(tmp_path / "big.nii")
    for name in ("two.nii.gz", "big.nii"):
        array, _ = read_volume(tmp_path / name)
        np.testing.assert_array_equal(array, numbers())
        assert array.dtype.isnative


def test_scaled_and_double_values_become_float32(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), AFFINE)
    image.header.set_slope_inter(0.1, -1024)
    nib.save(image, tmp_path / "scaled.nii.gz")
    raw = nib.load(tmp_path / "scaled.nii.gz")
    array, _ = read_volume(tmp_path / "scaled.nii.gz")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, raw.get_fdata().astype(np.float32))
    assert read_volume(save(tmp_path / "double.nii", numbers("float64") / 3))[0].dtype == np.float32


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
def test_itk_formats_give_the_same_as_nifti(tmp_path: Path, suffix: str) -> None:
    source = save(tmp_path / "v.nii.gz", numbers())  # ITK needs orthogonal axes
    rotation = np.diag([-0.8, 0.8, 2.5, 1.0])
    rotation[:3, 3] = 5, -6, 7
    save(source, numbers(), rotation)
    itk.imwrite(itk.imread(str(source)), str(tmp_path / f"w{suffix}"))
    array, affine = read_volume(tmp_path / f"w{suffix}")
    np.testing.assert_array_equal(array, numbers())
    assert array.dtype == np.int16
    np.testing.assert_allclose(affine, rotation, atol=1e-6)


def test_four_axes_and_colours_are_told_by_shape(tmp_path: Path) -> None:
    assert inspect_volume(save(tmp_path / "four.nii.gz", numbers(shape=(5, 4, 3, 2)))).shape == (5, 4, 3, 2)
    colour = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, AFFINE), tmp_path / "rgb.nii.gz")
    assert inspect_volume(tmp_path / "rgb.nii.gz").shape == (*SHAPE, 3)
    red = itk.image_from_array(np.zeros((3, 4, 5, 3), np.uint8), is_vector=True)
    itk.imwrite(red, str(tmp_path / "rgb.nrrd"))
    assert inspect_volume(tmp_path / "rgb.nrrd").shape == (*SHAPE, 3)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "dir # with % $x ü"
    folder.mkdir()
    path = save(folder / name, numbers())
    facts = inspect_volume(path, tmp_path / "cache")
    assert facts == inspect_volume(str(path), tmp_path / "cache")
    assert facts.path == str(path)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_any_file_name_by_itk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ä b#50%$x腹{suffix}"
    itk.imwrite(itk.image_from_array(numbers()), str(path))
    np.testing.assert_array_equal(read_volume(path)[0], numbers().T)


def truncated(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def wrong_checksum(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    return path


def test_damaged_files_are_named(tmp_path: Path) -> None:
    big = numbers(shape=(40, 40, 40))
    not_nifti = tmp_path / "text.nii.gz"
    not_nifti.write_bytes(gzip.compress(b"hello" * 200))
    plain = tmp_path / "plain.nii.gz"
    plain.write_bytes(b"no gzip at all")
    empty = tmp_path / "empty.nii"
    empty.touch()
    itk.imwrite(itk.image_from_array(big), str(tmp_path / "cut.nrrd"))
    itk.imwrite(itk.image_from_array(big), str(tmp_path / "cut.mha"))
    damaged = [
        truncated(save(tmp_path / "cut.nii.gz", big), 0.5),
        truncated(save(tmp_path / "cut.nii", big), 0.5),
        truncated(save(tmp_path / "tail.nii.gz", big), 0.9999),
        wrong_checksum(save(tmp_path / "bit.nii.gz", big)),
        truncated(tmp_path / "cut.nrrd", 0.5),
        truncated(tmp_path / "cut.mha", 0.5),
        not_nifti,
        plain,
        empty,
    ]
    for path in damaged:
        with pytest.raises(PrepareError, match="damaged or cut short") as caught:
            inspect_volume(path, tmp_path / "cache")
        assert str(path) in str(caught.value)


def test_missing_folder_and_unknown_names_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.nii.gz").mkdir()
    for name, reason in [
        ("no.nii.gz", "no such file"),
        ("folder.nii.gz", "it is a folder without DICOM files"),
        ("x.bmp", "must end in"),
    ]:
        with pytest.raises(PrepareError, match=reason) as caught:
            read_volume(tmp_path / name)
        assert name in str(caught.value)


def test_complex_voxels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="complex64 are not supported"):
        read_volume(save(tmp_path / "c.nii.gz", numbers().astype(np.complex64)))


def test_facts_against_numpy(tmp_path: Path) -> None:
    array = numbers("int32") - 50
    facts = inspect_volume(save(tmp_path / "v.nii.gz", array))
    assert (facts.shape, facts.dtype, facts.finite) == (SHAPE, "int32", True)
    assert (facts.minimum, facts.maximum) == (array.min(), array.max())
    assert facts.values == tuple(np.unique(array).tolist())
    np.testing.assert_allclose(facts.affine, AFFINE, atol=1e-6)
    np.testing.assert_allclose(facts.spacing, np.linalg.norm(AFFINE[:3, :3], axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (np.array([0.0, 2.0, 1.0], np.float32), (0, 1, 2)),
        (np.array([0.0, 0.5, 1.0], np.float32), None),
        (np.array([0, 1_000_000, -7], np.int32), (-7, 0, 1_000_000)),
        (np.array([0, 2**60, 2**60 + 3], np.int64), (0, 2**60, 2**60 + 3)),
        (np.array([2**60, 2**60 + 3], np.int64), (2**60, 2**60 + 3)),
        (np.arange(256, dtype=np.int16), tuple(range(256))),
        (np.arange(257, dtype=np.int16), None),
        (np.array([1e30, 0], np.float32), (0, int(np.float32(1e30)))),
    ],
)
def test_distinct_values(tmp_path: Path, array: np.ndarray, values: tuple[int, ...] | None) -> None:
    assert inspect_volume(save(tmp_path / "v.nii", array.reshape(-1, 1, 1))).values == values


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    array = numbers("float32")
    array[0, 0, 0], array[1, 1, 1] = np.nan, -np.inf
    facts = inspect_volume(save(tmp_path / "v.nii", array), tmp_path / "cache")
    assert (facts.finite, facts.values) == (False, None)
    assert facts.minimum == np.nanmin(array[np.isfinite(array)])
    nothing = inspect_volume(save(tmp_path / "n.nii", np.full(SHAPE, np.nan, np.float32)))
    assert (nothing.minimum, nothing.maximum) == (0, 0)


def test_content_is_that_of_the_voxels_alone(tmp_path: Path) -> None:
    array = numbers()
    same = [
        save(tmp_path / "a.nii.gz", array),
        save(tmp_path / "b.nii", array.astype(np.float32), np.eye(4)),
        save(tmp_path / "c.nii.gz", array.astype(np.int64)),
    ]
    itk.imwrite(itk.image_from_array(np.ascontiguousarray(array.T)), str(tmp_path / "d.nrrd"))
    assert len({inspect_volume(path).content for path in [*same, tmp_path / "d.nrrd"]}) == 1
    other = array.copy()
    other[4, 3, 2] += 1
    different = [array, other, array.reshape(4, 5, 3), array[::-1]]
    paths = [save(tmp_path / f"{n}.nii.gz", one) for n, one in enumerate(different)]
    assert len({inspect_volume(path).content for path in paths}) == 4


def test_cache_saves_the_reading_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "v.nii.gz", numbers())
    first = inspect_volume(path, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(volume_file, "read_volume", never)
        assert inspect_volume(path, tmp_path / "cache") == first
        patch.chdir(tmp_path)
        assert inspect_volume("v.nii.gz", "cache") == first
        with pytest.raises(AssertionError, match="voxels were read"):
            inspect_volume(path)
    save(path, numbers() + 1)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert inspect_volume(path, tmp_path / "cache").minimum == first.minimum + 1


def test_cache_of_an_mhd_sees_its_data_file(tmp_path: Path) -> None:
    itk.imwrite(itk.image_from_array(numbers()), str(tmp_path / "v.mhd"))
    first = inspect_volume(tmp_path / "v.mhd", tmp_path / "cache")
    data = next(f for f in tmp_path.iterdir() if f.suffix in (".raw", ".zraw"))
    raw = numbers() + 1
    data.write_bytes(raw.tobytes() if data.suffix == ".raw" else zlib.compress(raw.tobytes()))
    os.utime(data, ns=(1, data.stat().st_mtime_ns + 10))
    assert inspect_volume(tmp_path / "v.mhd", tmp_path / "cache").minimum == first.minimum + 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"stamp": 1}', '{"facts": 3, "stamp": null}'])
def test_damaged_cache_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = save(tmp_path / "v.nii.gz", numbers())
    facts = inspect_volume(path, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(damage)
    assert inspect_volume(path, tmp_path / "cache") == facts
    assert json.loads(kept.read_text())["facts"]["content"] == facts.content


def test_many_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = save(tmp_path / "v.nii.gz", numbers())

    def inspect(_: int) -> VolumeFacts:
        return inspect_volume(path, tmp_path / "cache")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(inspect, range(32)))) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrepareError, match="choose another cache folder"):
        inspect_volume(save(tmp_path / "v.nii.gz", numbers()), tmp_path / "file")
