from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atso_monai.cohort import Case, Cohort, Problem, check_cohort, require_sound
from atso_monai.errors import CohortError

SHAPE = (6, 5, 4)
AFFINE = np.array([[-1.5, 0, 0, 7], [0, 1.5, 0, -3], [0, 0, 3.0, 11], [0, 0, 0, 1]])
Save = Callable[..., Path]


def _only(cohort: Cohort, **arguments: object) -> Problem:
    problems = check_cohort(cohort, **arguments)  # type: ignore[arg-type]
    assert len(problems) == 1, problems
    return problems[0]


def _voxels(path: Path | None) -> np.ndarray:
    import nibabel as nib

    return np.asarray(nib.load(path).dataobj).copy()


def _edit_header(path: Path, offset: int, values: np.ndarray) -> None:
    """Write bytes into a NIfTI header, past any library that would mend them."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[offset : offset + values.nbytes] = values.tobytes()
    path.write_bytes(gzip.compress(bytes(content)))


def test_a_sound_cohort_passes(sound: Cohort, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert check_cohort(sound) == []
    assert check_cohort(sound.blind()) == []
    assert check_cohort(sound.revealed()) == []
    require_sound(sound)
    assert sorted(tmp_path.rglob("*")) == before


def test_progress_counts_every_file_once(sound: Cohort) -> None:
    seen: list[tuple[int, int]] = []
    check_cohort(sound, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 15) for n in range(1, 16)]


def test_a_second_check_reads_only_changed_files(sound: Cohort, save_volume: Save, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert check_cohort(sound, cache) == []
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    changed = sound.test[0].image
    save_volume(changed, np.full(SHAPE, np.nan, np.float32))

    assert _only(sound, cache_dir=cache).file == str(changed)
    after = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert len(after.items() - kept.items()) == 1


def test_a_missing_file(sound: Cohort) -> None:
    gone = sound.reference[1].truth
    gone.unlink()  # type: ignore[union-attr]
    problem = _only(sound)
    assert (problem.case, problem.file, problem.what) == ("case_3", str(gone), "the truth is missing")


@pytest.mark.parametrize("content", [b"", b"not a volume at all", gzip.compress(b"neither is this")])
def test_an_unreadable_file(sound: Cohort, content: bytes) -> None:
    file = sound.test[0].image
    file.write_bytes(content)
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_6", str(file))
    assert problem.what.startswith("the image is unreadable as .nii.gz (")


def test_a_file_cut_short(sound: Cohort) -> None:
    file = sound.test[0].image
    file.write_bytes(file.read_bytes()[:-40])
    assert "the image is unreadable" in _only(sound).what


def test_a_cache_folder_that_cannot_be_used_is_no_fault_of_the_volume(sound: Cohort, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CohortError, match=r"Cannot write .*cache"):
        check_cohort(sound, tmp_path / "cache")


@pytest.mark.parametrize(("role", "kind"), [("labelled", "label"), ("reference", "truth"), ("test", "label")])
def test_image_and_label_of_different_shape(sound: Cohort, save_volume: Save, role: str, kind: str) -> None:
    case = getattr(sound, role)[0]
    save_volume(getattr(case, kind), np.ones((6, 5, 3), np.uint8))
    problem = _only(sound)
    assert (problem.case, problem.file) == (case.id, str(getattr(case, kind)))
    assert problem.what == f"the {kind} has shape (6, 5, 3), its image (6, 5, 4) ({case.image})"


@pytest.mark.parametrize(("role", "kind"), [("labelled", "label"), ("reference", "truth"), ("test", "label")])
def test_image_and_label_of_different_affine(sound: Cohort, save_volume: Save, role: str, kind: str) -> None:
    case = getattr(sound, role)[0]
    file = getattr(case, kind)
    moved = AFFINE.copy()
    moved[2, 3] += 2.5
    save_volume(file, _voxels(file), moved)
    before = file.read_bytes()

    problem = _only(sound)
    assert (problem.case, problem.file) == (case.id, str(file))
    assert problem.what == f"the {kind} lies up to 2.5 mm (allowed: 0.1) off its image ({case.image})"
    assert "atso_monai.cohort.copy_geometry(image, label, to)" in problem.way_out
    assert file.read_bytes() == before
    assert check_cohort(sound, tolerance_mm=3.0) == []


def test_a_mirrored_label_is_off(sound: Cohort, save_volume: Save) -> None:
    file = sound.labelled[0].label
    mirrored = AFFINE @ np.diag([-1, 1, 1, 1])
    save_volume(file, _voxels(file), mirrored)
    assert "mm (allowed: 0.1) off its image" in _only(sound).what


def test_rounding_of_an_affine_is_tolerated(sound: Cohort, save_volume: Save) -> None:
    file = sound.labelled[0].label
    save_volume(file, _voxels(file), AFFINE + 1e-4)
    assert check_cohort(sound) == []


def test_values_outside_the_declared_ones(sound: Cohort, save_volume: Save) -> None:
    file = sound.test[1].label
    save_volume(file, np.where(_voxels(file) == 2, 7, _voxels(file)).astype(np.uint8))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_7", str(file))
    assert problem.what == "the label has the values 7, declared are 0, 1, 2"
    assert check_cohort(replace(sound, label_map={1: 1, 2: 2, 7: 2})) == []


def test_values_outside_the_label_map(sound: Cohort) -> None:
    problems = check_cohort(replace(sound, labels={0: "background", 1: "liver"}, label_map={1: 1}))
    assert [problem.case for problem in problems] == [f"case_{n}" for n in (0, 1, 2, 3, 4, 6, 7)]
    assert all("has the values 2, declared are 0, 1" in problem.what for problem in problems)


def test_an_empty_label_in_a_labelled_case_only(sound: Cohort, save_volume: Save) -> None:
    for case in (sound.labelled[0], sound.test[0]):
        save_volume(case.label, np.zeros(SHAPE, np.uint8))
    save_volume(sound.reference[0].truth, np.zeros(SHAPE, np.uint8))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_0", str(sound.labelled[0].label))
    assert problem.what == "the label is empty: it has only the values 0"


def test_a_label_that_the_map_empties(sound: Cohort, save_volume: Save) -> None:
    save_volume(sound.labelled[1].label, np.full(SHAPE, 2, np.uint8))
    dropped = replace(sound, labels={0: "background", 1: "liver"}, label_map={1: 1, 2: 0})
    assert _only(dropped).what == "the label is empty: it has only the values 2"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(sound: Cohort, save_volume: Save, value: float) -> None:
    file = sound.reference[3].image
    voxels = _voxels(file)
    voxels[0, 0, 0] = value
    save_volume(file, voxels)
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_5", str(file))
    assert "NaN or infinite" in problem.what


def test_a_label_that_is_not_finite_is_told_once(sound: Cohort, save_volume: Save) -> None:
    save_volume(sound.labelled[0].label, np.full(SHAPE, np.nan, np.float32))
    assert "the label has voxels that are NaN" in _only(sound).what


@pytest.mark.parametrize("voxels", [np.full(SHAPE, 0.5, np.float32), np.linspace(-1, 1, 120, dtype=np.float32)])
def test_a_label_of_other_than_whole_numbers(sound: Cohort, save_volume: Save, voxels: np.ndarray) -> None:
    file = sound.labelled[0].label
    save_volume(file, voxels.reshape(SHAPE))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_0", str(file))
    assert "that are no class indices" in problem.what


def test_a_float_file_of_whole_numbers_is_a_label(sound: Cohort, save_volume: Save) -> None:
    file = sound.labelled[0].label
    save_volume(file, _voxels(file).astype(np.float32))
    assert check_cohort(sound) == []


@pytest.mark.parametrize("shape", [(6, 5, 4, 2), (6, 5, 4, 1, 3), (6, 5)])
def test_more_or_fewer_than_three_axes(sound: Cohort, save_volume: Save, shape: tuple[int, ...]) -> None:
    file = sound.reference[3].image
    save_volume(file, np.random.default_rng(0).normal(size=shape).astype(np.float32))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_5", str(file))
    assert f"must have 3 axes of at least one voxel. Received: shape {shape}" in problem.what


@pytest.mark.parametrize("spacing", [0.0, -3.0, np.nan, np.inf])
def test_a_spacing_in_the_header_that_is_not_positive(sound: Cohort, spacing: float) -> None:
    file = sound.reference[3].image
    _edit_header(file, 88, np.array([spacing], "<f4"))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_5", str(file))
    assert f"spacing in its header that is not positive: (1.5, 1.5, {spacing}) mm" in problem.what


def test_the_header_of_nifti_2_is_read_too(sound: Cohort) -> None:
    import nibabel as nib

    from atso_monai.cohort.volume_checks import declared_spacing

    file = sound.reference[3].image
    nib.save(nib.Nifti2Image(_voxels(file), AFFINE), file)
    assert declared_spacing(file) == (1.5, 1.5, 3.0)
    assert declared_spacing(file.with_suffix(".mha")) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, 0, 0, 11], "a spacing that is not positive: (1.5, 1.5, 0.0) mm"),
        ([0, np.nan, 3, 11], "an affine that is not finite"),
    ],
)
def test_affines_that_are_no_grid(sound: Cohort, row: list[float], message: str) -> None:
    file = sound.reference[3].image
    _edit_header(file, 312, np.array(row, "<f4"))
    problem = _only(sound)
    assert (problem.case, problem.file) == ("case_5", str(file))
    assert message in problem.what


def test_a_singular_affine(sound: Cohort) -> None:
    file = sound.labelled[0].image
    _edit_header(file, 312, np.array([0, 3, 0, 11], "<f4"))
    _edit_header(file, 280, np.array([-1.5, 0, 1.5, 7], "<f4"))
    problem = _only(sound)
    assert problem.file == str(file)
    assert "a singular affine (two axes run the same way)" in problem.what


def test_the_same_file_for_two_cases_by_whatever_path(sound: Cohort, tmp_path: Path) -> None:
    first, second = sound.labelled[0], sound.test[0]
    link = tmp_path / "link.nii.gz"
    os.symlink(first.image, link)
    problem = _only(replace(sound, test=(replace(second, image=link), sound.test[1])))
    assert (problem.case, problem.file) == ("case_6", str(link))
    assert problem.what == "the image is the same file as the image of labelled case 'case_0'"


def test_a_label_that_is_its_image(sound: Cohort) -> None:
    case = sound.test[0]
    told = [p.what for p in check_cohort(replace(sound, test=(replace(case, label=case.image),)))]
    assert "the label is the same file as the image of test case 'case_6'" in told


@pytest.mark.parametrize("name", ["case_1", "case_3", "case_7"])
def test_the_same_voxels_under_two_names(sound: Cohort, save_volume: Save, name: str) -> None:
    first = sound.labelled[0].image
    copy = first.with_name(f"{name}.nii.gz")
    save_volume(copy, _voxels(first).astype(np.float64))
    problem = _only(sound)
    assert (problem.case, problem.file) == (name, str(copy))
    assert problem.what == f"the image has the same voxels as that of labelled case 'case_0' ({first})"


def test_all_problems_come_in_one_report(sound: Cohort, save_volume: Save) -> None:
    sound.test[0].image.unlink()
    save_volume(sound.labelled[0].label, np.zeros(SHAPE, np.uint8))
    save_volume(sound.reference[0].image, np.full(SHAPE, np.inf, np.float32))
    strange = Case("../up", sound.test[1].image, label=sound.test[1].label)
    broken = replace(sound, test=(sound.test[0], strange), folds=sound.folds[:1])

    with pytest.raises(CohortError) as caught:
        require_sound(broken)
    told = str(caught.value)
    assert told.startswith("Cohort 'made up' cannot be used: 6 problems in 6 cases.")
    for part in (
        "'../up'",
        "a reference case in 0 folds",
        "the image is missing",
        "is empty",
        "NaN",
    ):
        assert part in told
    assert str(sound.labelled[0].label) in told
