from __future__ import annotations

import csv
import json
import shutil
import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
import slicerio

from atso_monai.cohort import Case, Cohort
from atso_monai.engine import Scheme
from atso_monai.errors import ConfigError, PrepareError, RunFolderError
from atso_monai.review.export import export
from atso_monai.review.export.case_labels import read_case_labels
from atso_monai.review.export.dicom_series import read_series
from atso_monai.volume_file import read_volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def slicer_folder(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "für Slicer #1 50%"
    export(run_dir, target, "slicer")
    return target


# --- slicer


def test_every_case_as_its_labels_say(slicer_folder: Path, run_dir: Path) -> None:
    run = read_case_labels(run_dir)
    assert len(list((slicer_folder / "segmentations").iterdir())) == len(run.cases) == 7
    for item in run.cases:
        read = slicerio.read_segmentation(str(slicer_folder / "segmentations" / f"{item.case.id}.seg.nrrd"))
        image = nib.load(item.case.image)
        assert read["voxels"].shape == (4, *image.shape)
        np.testing.assert_allclose(read["ijkToLPS"], LPS @ image.affine, atol=1e-5)
        assert item.final is not None
        final = np.asarray(nib.load(item.final).dataobj)
        models = {m.model: np.asarray(nib.load(m.path).dataobj) for m in item.fold_models}
        for segment in read["segments"]:
            key, _, index = segment["id"].partition("_")
            mask = read["voxels"][segment["layer"]] == segment["labelValue"]
            if key == "disagreement":
                np.testing.assert_array_equal(mask, models["f1"] != models["f2"])
            else:
                np.testing.assert_array_equal(mask, (final if key == "final" else models[key]) == int(index))
        unseen = {m.model: m.unseen for m in item.fold_models}
        remarks = {s["name"] for s in read["segments"] if s["id"] == "f1_1"}
        assert remarks == {f"front (model f1, {'not trained' if unseen['f1'] else 'trained'} on this case)"}


def test_scans_are_the_originals(slicer_folder: Path, run_dir: Path, tmp_path: Path) -> None:
    for item in read_case_labels(run_dir).cases:
        assert (slicer_folder / "images" / item.case.image.name).samefile(item.case.image)
    export(run_dir, tmp_path / "copies", "slicer", copy_images=True)
    for item in read_case_labels(run_dir).cases:
        copy = tmp_path / "copies" / "images" / item.case.image.name
        assert not copy.samefile(item.case.image)
        assert copy.read_bytes() == item.case.image.read_bytes()


def test_scenes_name_files_that_are_there(slicer_folder: Path) -> None:
    scenes = [slicer_folder / "scene.mrml", *(slicer_folder / "scenes").iterdir()]
    assert len(scenes) == 8
    counts = []
    for scene in scenes:
        files = [node.get("fileName") for node in ET.parse(scene).getroot() if node.get("fileName")]
        for name in files:
            assert (scene.parent / _decoded(str(name))).is_file(), name
        counts.append(len(files))
    assert counts == [14, *[2] * 7]


def _decoded(text: str) -> str:
    for coded, plain in (("%20", " "), ("%27", "'"), ("%3E", ">"), ("%3C", "<"), ("%22", '"'), ("%25", "%")):
        text = text.replace(coded, plain)
    return text


def test_the_case_list_and_the_script(slicer_folder: Path, run_dir: Path) -> None:
    cases = json.loads((slicer_folder / "cases.json").read_text(encoding="utf-8"))
    assert [case["id"] for case in cases] == [item.case.id for item in read_case_labels(run_dir).cases]
    for case in cases:
        assert (slicer_folder / case["image"]).is_file()
        assert (slicer_folder / case["segmentation"]).is_file()
        assert case["filled"] == ["final_1", "final_2", "disagreement"]
        assert case["outlined"] == ["final_1", "final_2", "f1_1", "f1_2", "f2_1", "f2_2"]
    assert "Slicer --python-script" in (slicer_folder / "open_in_slicer.py").read_text(encoding="ascii")
    for words in ("open_in_slicer.py", "corrected/", "atso promote RUN --labels corrected", "front, back"):
        assert words in (slicer_folder / "README.txt").read_text(encoding="utf-8")
    for file in ("cases.json", "scene.mrml", "README.txt"):
        text = (slicer_folder / file).read_text(encoding="utf-8")
        assert str(run_dir.parent) not in text  # it can be moved


def test_without_fold_labels(make_run: Any, cohort: Cohort, scheme: Callable[..., Scheme], tmp_path: Path) -> None:
    """No diagnostics: a reference case has the label of the one model that did not see it."""
    run = make_run(tmp_path / "run", cohort, scheme(diagnostics=False, test=False))
    without_test = replace(cohort, test=())
    without_test.save(run / "cohort.json")
    export(run, tmp_path / "out", "slicer")
    read = slicerio.read_segmentation(str(tmp_path / "out/segmentations/plain.seg.nrrd"))
    assert [s["id"] for s in read["segments"]] == ["final_1", "final_2", "f2_1", "f2_2"]
    stso = make_run(tmp_path / "stso", cohort, scheme(strategy="stso"))
    export(stso, tmp_path / "stso out", "slicer")
    read = slicerio.read_segmentation(str(tmp_path / "stso out/segmentations/plain.seg.nrrd"))
    assert [s["id"] for s in read["segments"]] == ["final_1", "final_2"]
    assert read["voxels"].ndim == 3


def test_truth_stays_out(slicer_folder: Path, run_dir: Path) -> None:
    """Whoever corrects a pseudo label must not see the truth that metrics compare with."""
    names = {path.name for path in slicer_folder.rglob("*")}
    assert not [name for name in names if "truth" in name]
    assert "labels # 50%" not in (slicer_folder / "cases.json").read_text(encoding="utf-8")


# --- nifti


def test_nifti(run_dir: Path, tmp_path: Path) -> None:
    run = export(run_dir, tmp_path / "out", "nifti")
    names = {f"{item.case.id}.nii.gz" for item in run.cases}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"labels.json", "labels.csv"}
    for item in run.cases:
        made, image = nib.load(tmp_path / "out" / f"{item.case.id}.nii.gz"), nib.load(item.case.image)
        assert item.final is not None
        np.testing.assert_array_equal(made.dataobj, nib.load(item.final).dataobj)
        np.testing.assert_allclose(made.affine, image.affine, atol=1e-5)
    assert json.loads((tmp_path / "out/labels.json").read_text()) == {"0": "background", "1": "front", "2": "back"}
    with (tmp_path / "out/labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["value"], row["name"], row["snomed_ct"]) for row in rows] == [("1", "front", ""), ("2", "back", "")]


# --- dicom-seg


def test_dicom_seg(make_run: Any, make_series: Any, scheme: Callable[..., Scheme], tmp_path: Path) -> None:
    """A run on scans as NIfTI, whose cohort then names the series that these were made from."""
    cases, series = [], []
    for name in ("a", "b"):
        folder = make_series(tmp_path / f"series {name}")
        image = nib.Nifti1Image(np.zeros((9, 7, 5), np.int16), read_series(folder)[1][1])
        nib.save(image, tmp_path / f"{name}.nii.gz")
        cases.append(Case(name, tmp_path / f"{name}.nii.gz"))
        series.append(Case(name, folder))
    cohort = Cohort("x", {0: "background", 1: "liver", 2: "x"}, reference=tuple(cases), folds=(("a",), ("b",)))
    run = make_run(tmp_path / "run", cohort, scheme(test=False))
    replace(cohort, reference=tuple(series)).save(run / "cohort.json")
    found = export(run, tmp_path / "out", "dicom-seg")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.dcm", "b.dcm"]
    for item in found.cases:
        document = hd.seg.segread(tmp_path / "out" / f"{item.case.id}.dcm")
        volume = document.get_volume(combine_segments=True)
        assert item.final is not None
        label = nib.load(item.final)
        where = nib.affines.apply_affine(LPS @ label.affine, np.argwhere(np.asarray(label.dataobj) == 2))
        at = np.rint(nib.affines.apply_affine(np.linalg.inv(volume.affine), where)).astype(int)
        assert len(where) == (volume.array == 2).sum() > 0
    export(run, tmp_path / "slicer", "slicer")
    for item in found.cases:
        scan, affine = read_volume(tmp_path / "slicer" / "images" / f"{item.case.id}.nii.gz")
        series_scan, series_affine = read_volume(item.case.image)
        np.testing.assert_array_equal(scan, series_scan)
        np.testing.assert_allclose(affine, series_affine, atol=1e-4)
        assert (volume.array[tuple(at.T)] == 2).all()


# --- the folder, and what is refused


@pytest.mark.parametrize("file_format", ["slicer", "nifti"])
def test_a_moved_run_gives_the_same(run_dir: Path, tmp_path: Path, file_format: str) -> None:
    moved = Path(shutil.copytree(run_dir, tmp_path / "elsewhere" / "moved run"))
    export(run_dir, tmp_path / "one", file_format)
    export(moved, tmp_path / "two", file_format)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_empty_folder_may_be_there_and_nothing_else(run_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    export(run_dir, target, "nifti")
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    with pytest.raises(RunFolderError, match=r"out is not empty. Nothing was written"):
        export(run_dir, target, "nifti")
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before
    (tmp_path / "file").write_text("precious")
    with pytest.raises(RunFolderError, match="file is a file"):
        export(run_dir, tmp_path / "file", "nifti")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_misspelt_formats(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"format must be one of slicer, dicom-seg, nifti.*Did you mean 'slicer'"):
        export(run_dir, tmp_path / "out", "slicr")
    with pytest.raises(PrepareError, match="7 of 7 images are no DICOM series"):
        export(run_dir, tmp_path / "out", "dicom-seg")
    assert list(tmp_path.iterdir()) == []


def test_libraries_that_are_not_installed(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "atso_monai.review.export.dicom_seg", raising=False)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match=r"needs highdicom, .* pip install 'atso_monai\[review\]'"):
        export(run_dir, tmp_path / "out", "dicom-seg")


def test_a_run_that_is_not_finished(run_dir: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (moved / "predictions/final/result.json").unlink()
    with pytest.raises(RunFolderError, match=r"3 of 7 cases have no final label yet, first .* is not finished"):
        export(moved, tmp_path / "out", "nifti")
    assert not (tmp_path / "out").exists()


def test_scans_that_are_gone_or_changed(
    make_run: Any, new_dataset: Path, make_cohort: Any, scheme: Callable[..., Scheme], tmp_path: Path
) -> None:
    cohort = make_cohort(new_dataset)
    run = make_run(tmp_path / "run", cohort, scheme())
    last = cohort.test[-1].image
    image = nib.load(last)
    moved = image.affine.copy()
    moved[:3, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), last)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(PrepareError, match=r"lies up to 8.66 mm off the grid of"):
        export(run, tmp_path / "out", "slicer")
    last.unlink()
    with pytest.raises(PrepareError, match=r"1 of \d+ files are missing, first .*cohort.json"):
        export(run, tmp_path / "out", "slicer")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_memory_does_not_grow_with_the_cases(
    run_dir: Path, make_run: Any, scheme: Callable[..., Scheme], tmp_path: Path
) -> None:
    """Peak memory while exporting 3 and 15 cases of a quarter of a megabyte per label."""
    nib.save(nib.Nifti1Image(np.zeros((64, 64, 64), np.int16), np.eye(4)), tmp_path / "x.nii.gz")
    peaks = []
    export(run_dir, tmp_path / "warm", "slicer")  # imports
    for count in (3, 15):
        cases = tuple(Case(f"c{n}", tmp_path / "x.nii.gz") for n in range(count))
        folds = (tuple(c.id for c in cases[::2]), tuple(c.id for c in cases[1::2]))
        cohort = Cohort("x", {0: "background", 1: "pancreas"}, reference=cases, folds=folds)
        run = make_run(tmp_path / f"run {count}", cohort, scheme(test=False, generations=1), _nothing)
        tracemalloc.start()
        export(run, tmp_path / f"out {count}", "slicer")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 250_000
    assert peaks[0] > 1_000_000


def _nothing(cohort: Cohort, key: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, np.uint8)
