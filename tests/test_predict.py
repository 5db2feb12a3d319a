from __future__ import annotations

import csv
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from atso_monai.bundle import find_bundle, read_config
from atso_monai.cohort import Cohort
from atso_monai.errors import CheckpointError, ConfigError, PrepareError
from atso_monai.phantom.dicom import write_dicom_series
from atso_monai.predict import class_names, predict, scans


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with random weights, as a run leaves it."""
    from monai.bundle import ConfigParser

    root = tmp_path_factory.mktemp("bundle") / "a #1 50% $x ä"
    source = find_bundle("msd_hippocampus")
    shutil.copytree(source / "configs", root / "configs")
    config = read_config(source, "inference")
    config["checkpoints"] = {view: f"$str(@bundle_root) + '/models/{view}.pt'" for view in ("axial", "sagittal")}
    (root / "configs" / "inference.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (root / "models").mkdir()
    for seed, view in enumerate(("axial", "sagittal")):
        torch.manual_seed(seed)
        network = ConfigParser(read_config(source, "inference")).get_parsed_content("network_def")
        torch.save({"model": network.state_dict()}, root / "models" / f"{view}.pt")
    return root


def test_labels_lie_on_the_grid_of_each_scan(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    images = [case.image for case in (*cohort.labelled, *cohort.test)]
    written = predict(trained, images, tmp_path / "läbels #1")
    assert written == [tmp_path / "läbels #1" / f"{case.id}.nii.gz" for case in (*cohort.labelled, *cohort.test)]
    there = sorted(p.name for p in (tmp_path / "läbels #1").iterdir())
    assert there == sorted([*(p.name for p in written), "volumes.csv"])
    for image, label in zip(images, written, strict=True):
        scan, found = nib.load(image), nib.load(label)
        assert found.shape == scan.shape
        np.testing.assert_allclose(found.affine, scan.affine, atol=1e-4)
        assert found.get_data_dtype() == np.uint8
        assert len(np.unique(np.asarray(found.dataobj))) > 1


def test_a_folder_a_run_folder_and_the_same_bytes_again(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for case in cohort.test:
        shutil.copyfile(case.image, images / case.image.name)
    (images / "notes.txt").write_text("")
    (images / "._a.nii.gz").write_text("")
    shutil.copytree(trained, tmp_path / "run" / "bundle")
    one = predict(tmp_path / "run", [images], tmp_path / "one")
    two = predict(trained, [case.image for case in cohort.test], tmp_path / "two", device="cpu")
    assert {p.name: p.read_bytes() for p in one} == {p.name: p.read_bytes() for p in two}
    assert len(one) == 3


def test_the_volumes_are_those_of_the_labels(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    images, seen = [case.image for case in cohort.test], []
    first = predict(trained, images[:2], tmp_path / "out", each=lambda item, label: seen.append((item["id"], label)))
    (third,) = predict(trained, images[2:], tmp_path / "out")  # adds to the table
    assert seen == [(case.id, label) for case, label in zip(cohort.test, first, strict=False)]
    with (tmp_path / "out" / "volumes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {index: name for index, name in class_names(trained).items() if index}
    assert [(r["case"], r["name"]) for r in rows] == [(c.id, n) for c in cohort.test for n in names.values()]
    for case, label in zip(cohort.test, (*first, third), strict=True):
        image = nib.load(label)
        for row in [row for row in rows if row["case"] == case.id]:
            voxels = int((np.asarray(image.dataobj) == int(row["label"])).sum())
            assert int(row["voxels"]) == voxels
            assert float(row["ml"]) == pytest.approx(voxels * abs(np.linalg.det(image.affine)) / 1000, abs=1e-4)


def test_a_table_of_someone_else_is_found_before_any_work(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "volumes.csv").write_text("mine")
    with pytest.raises(PrepareError, match="is no table of volumes"):
        predict(trained, [cohort.test[0].image], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["volumes.csv"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"network_data_format": {"outputs": {"pred": {}}}}'])
def test_metadata_that_names_no_classes(tmp_path: Path, content: str) -> None:
    assert class_names(tmp_path) == {}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(content)
    assert class_names(tmp_path) == {}


def test_the_working_folder_plays_no_part(
    trained: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.parent)
    shutil.copyfile(cohort.test[0].image, tmp_path / "scan.nii.gz")
    monkeypatch.chdir(tmp_path)
    (written,) = predict(trained, ["scan.nii.gz"], "out")
    assert written == tmp_path / "out" / "scan.nii.gz"
    assert written.is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "scan.nii.gz"]  # and nothing else is written


def test_nothing_is_replaced(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    target = tmp_path / f"{cohort.test[1].id}.nii.gz"
    target.write_text("precious")
    with pytest.raises(PrepareError, match=r"1 of 3 labels are there already, first .*Nothing was written"):
        predict(trained, [case.image for case in cohort.test], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "precious"


def test_no_model(tmp_path: Path, cohort: Cohort) -> None:
    with pytest.raises(ConfigError, match="neither a finished run nor a bundle"):
        predict(tmp_path, [cohort.test[0].image], tmp_path / "out")


def test_weights_that_are_missing_or_do_not_fit(trained: Path, cohort: Cohort, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trained, tmp_path / "bundle"))
    torch.save({"model": {"x": torch.zeros(1)}}, bundle / "models" / "axial.pt")
    with pytest.raises(CheckpointError, match="does not fit the network"):
        predict(bundle, [cohort.test[0].image], tmp_path / "out")
    (bundle / "models" / "axial.pt").unlink()
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        predict(bundle, [cohort.test[0].image], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scan_that_cannot_be_read(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.nii.gz").write_bytes(b"cut")
    with pytest.raises(PrepareError, match=r"cut\.nii\.gz"):
        predict(trained, [tmp_path / "cut.nii.gz"], tmp_path / "out")


# --- which scans


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


def test_scans_are_named_after_their_files(tmp_path: Path) -> None:
    folder = touch(tmp_path / "f", "b.nii.gz", "a.v2.mha", "C.NII.GZ", "n.txt", "._x.nii")
    touch(folder / "below", "d.nii.gz")
    items = scans([touch(tmp_path, "z.nrrd") / "z.nrrd", folder])
    assert [item["id"] for item in items] == ["z", "C", "a.v2", "b"]
    assert items[0]["image"] == str(tmp_path / "z.nrrd")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["none.nii"], "none.nii does not exist"),
        (["notes.txt"], r"notes.txt is no volume file. Give files that end in .nii.gz"),
        (["empty"], "There is no volume file in .*empty"),
        ([], "There is no volume file"),
        (["a.nii", "f"], r"f/a\.nii\.gz and .*a\.nii would both be written as a\.nii\.gz"),
    ],
)
def test_what_are_no_scans(tmp_path: Path, images: list[str], message: str) -> None:
    touch(tmp_path, "notes.txt", "a.nii")
    touch(tmp_path / "empty")
    touch(tmp_path / "f", "a.nii.gz")
    with pytest.raises(PrepareError, match=message):
        scans([tmp_path / name for name in images])


@pytest.mark.parametrize("name", ["bogus", "cuda:77", "'); raise SystemExit(7)  #"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    from atso_monai.predict import usable_device

    with pytest.raises(ConfigError, match="cannot be used here"):
        usable_device(name)


def test_a_folder_of_one_dicom_series_is_one_scan(tmp_path: Path) -> None:
    volume = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    write_dicom_series(tmp_path / "series 1", volume, np.diag([-1.0, -1.0, 2.0, 1.0]), patient="P")
    assert scans([tmp_path / "series 1"]) == [{"id": "series 1", "image": str(tmp_path / "series 1")}]


@pytest.mark.parametrize("given", [".", "../series 1", "../series 1/"])
def test_a_series_has_the_name_of_its_folder_however_that_is_given(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = np.zeros((4, 5, 3), np.int16)
    write_dicom_series(tmp_path / "series 1", volume, np.diag([-1.0, -1.0, 2.0, 1.0]), patient="P")
    monkeypatch.chdir(tmp_path / "series 1")
    assert scans([given]) == [{"id": "series 1", "image": str(tmp_path / "series 1")}]
