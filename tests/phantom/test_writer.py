from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.errors import CohortError, ConfigError
from atso_monai.phantom import MIXED, SHIFTED, case_seed, phantom_case, write_phantom

SMALL: dict[str, Any] = {"shape": (32, 32, 16)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_hold_the_generated_case(tmp_path: Path) -> None:
    rows = write_phantom(tmp_path / "a #1", cases=2, seed=3, **SMALL)
    assert [row[0] for row in rows] == ["phantom_000", "phantom_001"]
    for number, (name, image, label) in enumerate(rows):
        assert (image, label) == tuple(tmp_path / "a #1" / part / f"{name}.nii.gz" for part in ("images", "labels"))
        case = phantom_case(case_seed(3, number), **SMALL)
        for path, expected in ((image, case.image), (label, case.label)):
            file = nib.load(path)
            np.testing.assert_array_equal(np.asanyarray(file.dataobj), expected)
            np.testing.assert_allclose(file.affine, case.affine, atol=1e-4)
            assert file.get_data_dtype() == expected.dtype
            assert (int(file.header["sform_code"]), int(file.header["qform_code"])) == (1, 1)
            np.testing.assert_allclose(file.header.get_qform(), case.affine, atol=1e-3)


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_phantom(tmp_path / name, cases=2, seed=5, orientations="mixed", **SMALL)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    header = (tmp_path / "one" / "images" / "phantom_000.nii.gz").read_bytes()[:10]
    assert header[4:8] == bytes(4) and not header[3] & 0b1000  # neither a time nor a file name in the gzip header


def test_cases_differ(tmp_path: Path) -> None:
    rows = write_phantom(tmp_path, cases=3, seed=5, **SMALL)
    assert len({gzip.decompress(image.read_bytes()) for _, image, _ in rows}) == 3
    assert len({case_seed(seed, number) for seed in range(20) for number in range(50)}) == 1000


def test_more_cases_keep_the_first_ones_and_fill_gaps(tmp_path: Path) -> None:
    first = write_phantom(tmp_path, cases=3, seed=5, **SMALL)
    before = contents(tmp_path)
    times = [path.stat().st_mtime_ns for row in first for path in row[1:]]
    first[1][2].unlink()
    again = write_phantom(tmp_path, cases=4, seed=5, **SMALL)
    assert again[:3] == first
    assert contents(tmp_path).items() >= before.items()
    assert times[:2] == [path.stat().st_mtime_ns for path in first[0][1:]]
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 6}, "seed: was 5, now 6"),
        ({"scanner": SHIFTED}, r"scanner.thickness: was 1.0, now 1.25"),
        ({"shape": (32, 32, 17)}, r"shape: was \[32, 32, 16\], now \[32, 32, 17\]"),
        ({"orientations": "LPS"}, "orientations: was 'RAS', now 'LPS'"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_written(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    settings = {"cases": 1, "seed": 5, **SMALL}
    write_phantom(tmp_path, **settings)
    before = contents(tmp_path)
    with pytest.raises(CohortError, match=named) as caught:
        write_phantom(tmp_path, **{**settings, "cases": 2, **change})
    assert str(tmp_path) in str(caught.value) and "another folder" in str(caught.value)
    assert contents(tmp_path) == before


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "patient.nii.gz").write_bytes(b"precious")
    with pytest.raises(CohortError, match=r"holds other files and no phantom\.json\. Received: .*patient"):
        write_phantom(tmp_path, cases=1, seed=0, **SMALL)
    assert contents(tmp_path) == {"images/patient.nii.gz": b"precious"}


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "phantom.json").write_text(text)
    with pytest.raises(CohortError, match=r"Cannot read .*phantom\.json"):
        write_phantom(tmp_path, cases=1, seed=0, **SMALL)


def test_mixed_orientations_are_the_same_scans_stored_otherwise(tmp_path: Path) -> None:
    plain = write_phantom(tmp_path / "ras", cases=3, seed=2, **SMALL)
    mixed = write_phantom(tmp_path / "mixed", cases=3, seed=2, orientations="mixed", **SMALL)
    codes = set()
    for one, other in zip(plain, mixed, strict=True):
        for path, turned in zip(one[1:], other[1:], strict=True):
            stored, back = nib.load(turned), nib.as_closest_canonical(nib.load(turned))
            codes.add("".join(nib.aff2axcodes(stored.affine)))
            np.testing.assert_array_equal(np.asanyarray(back.dataobj), np.asanyarray(nib.load(path).dataobj))
            np.testing.assert_allclose(back.affine, nib.load(path).affine, atol=1e-3)
            np.testing.assert_allclose(stored.header.get_qform(), stored.affine, atol=1e-3)
    assert len(codes) > 1 and codes <= set(MIXED)


@pytest.mark.parametrize(
    "wrong",
    [{"cases": 0}, {"seed": -1}, {"prefix": "a/b"}, {"prefix": ""}, {"orientations": "RAR"}, {"orientations": ""}],
)
def test_senseless_arguments_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigError, match=f"{name}={value!r}"):
        write_phantom(tmp_path / "new", **{"cases": 1, "seed": 0, **SMALL, **wrong})
    assert not (tmp_path / "new").exists()
