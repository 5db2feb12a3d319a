"""Whole runs on ten tiny scans, through the hippocampus bundle."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import run_workflow

from atso_monai.bundle import find_bundle
from atso_monai.cohort import Cohort
from atso_monai.engine import Engine, Run
from atso_monai.errors import CohortError, ConfigError, RunChangedError, RunFolderError, StepFailedError

pytestmark = pytest.mark.slow

Hashes = Callable[[Path], dict[str, dict[str, str]]]
Make = Callable[..., Engine]


def stamps(run_dir: Path) -> dict[str, int]:
    return {str(p.relative_to(run_dir)): p.stat().st_mtime_ns for p in run_dir.rglob("result.json")}


def made_again(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name.removesuffix("/result.json") for name in after if after[name] != before.get(name)}


# --- what a run leaves


def test_every_step_is_done_and_described(finished: Run, hashes: Hashes) -> None:
    assert set(hashes(finished.run_dir)) == {step.makes for step in finished.plan.steps}
    for step in finished.plan.steps:
        folder = finished.run_dir / step.makes
        for name in ("config.yaml", "metadata.json", "datalist.json", "log.txt"):
            assert (folder / name).is_file(), (step.makes, name)


def test_pseudo_labels_lie_on_the_grid_of_each_image(finished: Run, cohort: Cohort) -> None:
    files = {path.name.removesuffix(".nii.gz") for path in finished.pseudo_labels.iterdir()}
    assert files == {case.id for case in cohort.reference}
    for case in cohort.reference:
        label, image = nib.load(finished.pseudo_labels / f"{case.id}.nii.gz"), nib.load(case.image)
        assert label.shape == image.shape
        np.testing.assert_allclose(label.affine, image.affine, atol=1e-4)
        assert set(np.unique(np.asarray(label.dataobj))) <= {0, 1, 2}


def test_numbers_are_those_of_the_files(finished: Run, cohort: Cohort) -> None:
    with (finished.run_dir / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == list(finished.rows)
    case = cohort.reference[0]
    assert case.truth is not None
    label = np.asarray(nib.load(finished.pseudo_labels / f"{case.id}.nii.gz").dataobj) > 0
    truth = np.asarray(nib.load(case.truth).dataobj) > 0
    expected = 2 * (label & truth).sum() / (label.sum() + truth.sum())
    wanted = {"generation": "final", "model": "labels", "case": case.id, "label": "foreground", "metric": "dsc"}
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert float(row["value"]) == pytest.approx(expected, abs=1e-6)
    assert (finished.run_dir / "summary.txt").read_text(encoding="utf-8").strip() == finished.tables.strip()


def test_no_absolute_path_but_those_of_the_cohort(finished: Run, dataset_dir: Path) -> None:
    for file in finished.run_dir.rglob("*"):
        if file.suffix in (".yaml", ".json", ".md", ".csv") and "cache" not in file.relative_to(finished.run_dir).parts:
            text = file.read_text(encoding="utf-8")
            assert str(finished.run_dir) not in text, file
            assert str(find_bundle("msd_hippocampus")) not in text, file
            if file.name not in ("datalist.json", "cohort.json"):
                assert str(dataset_dir) not in text, file


# --- the same from everywhere


def test_processes_of_their_own_give_the_same(finished: Run, make_engine: Make, tmp_path: Path, hashes: Hashes) -> None:
    run = make_engine(tmp_path / "run", executor="local", workers=2, cache_dir=tmp_path / "cache elsewhere").run()
    assert hashes(run.run_dir) == hashes(finished.run_dir)
    assert not (run.run_dir / "cache").is_dir()
    assert (tmp_path / "cache elsewhere" / "volumes").is_dir()


def test_a_monai_workflow_does_the_same(
    finished: Run, dataset_dir: Path, small: dict[str, Any], tmp_path: Path, hashes: Hashes
) -> None:
    run_workflow(
        workflow_name="atso_monai.engine.AtsoWorkflow",
        config_file=str(find_bundle("msd_hippocampus") / "configs" / "atso.yaml"),
        dataset_dir=str(dataset_dir),
        output_dir=str(tmp_path / "run #2"),
        split_seed=1,
        labelled=3,
        reference=4,
        test=3,
        **small,
    )
    assert hashes(tmp_path / "run #2") == hashes(finished.run_dir)


def test_truth_reaches_metrics_only(
    finished: Run,
    make_engine: Make,
    new_dataset: Path,
    make_cohort: Callable[..., Cohort],
    tmp_path: Path,
    hashes: Hashes,
) -> None:
    for number, path in enumerate(make_cohort(new_dataset).truths().values()):
        image = nib.load(path)
        noise = np.random.default_rng(number).integers(0, 3, image.shape).astype(np.uint8)
        nib.save(nib.Nifti1Image(noise, image.affine), path)
    run = make_engine(tmp_path / "run", folder=new_dataset).run()
    mine, other = hashes(run.run_dir), hashes(finished.run_dir)
    for step in finished.plan.steps:
        assert (mine[step.makes] == other[step.makes]) == (step.kind != "score"), step.makes


# --- going on


def test_a_second_run_does_nothing(copied: Path, make_engine: Make) -> None:
    before = stamps(copied)
    make_engine(copied).run()
    assert made_again(before, stamps(copied)) == set()


def test_what_is_gone_is_made_again_alone(copied: Path, finished: Run, make_engine: Make, hashes: Hashes) -> None:
    before = stamps(copied)
    next((copied / "labels" / "g1" / "f1").glob("*.nii.gz")).unlink()
    (copied / "model" / "g1" / "f2" / "axial" / "model.pt").write_bytes(b"damaged")
    make_engine(copied).run()
    assert made_again(before, stamps(copied)) == {"labels/g1/f1", "model/g1/f2/axial"}
    assert hashes(copied) == hashes(finished.run_dir)


def test_a_moved_run_goes_on(copied: Path, finished: Run, make_engine: Make, tmp_path: Path, hashes: Hashes) -> None:
    for name in ("labels/final", "model/final", "bundle", "metrics.csv"):
        target = copied / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    before = stamps(copied)
    moved = copied.rename(tmp_path / "moved #3")
    run = make_engine(moved).run()
    assert made_again(before, stamps(moved)) == {
        "labels/final/f1", "labels/final/f2", "model/final/axial", "model/final/sagittal",
    }  # fmt: skip
    assert hashes(moved) == hashes(finished.run_dir)
    assert run.bundle.is_dir()


def test_further_strategies_may_be_added_and_nothing_else_changed(copied: Path, make_engine: Make) -> None:
    before = stamps(copied)
    run = make_engine(copied, compare=["oracle", "supervised"]).run()
    again = made_again(before, stamps(copied))
    assert again
    assert all(name.startswith("compare/oracle/") for name in again)
    assert [line.split()[0] for line in run.tables.splitlines()[2:5]] == ["atso", "oracle", "supervised"]
    after = stamps(copied)
    with pytest.raises(RunChangedError) as caught:
        make_engine(copied, seed=3, epochs={"first": 2, "later": 1}).run()
    assert caught.value.changed == ["first_epochs", "seed"]
    assert stamps(copied) == after


# --- refused before work starts


def test_bad_input_leaves_no_trace(make_engine: Make, new_dataset: Path, tmp_path: Path) -> None:
    next((new_dataset / "images # 50%").glob("pl*.nii.gz")).write_bytes(b"cut")
    cases: list[tuple[type[Exception], dict[str, Any]]] = [
        (CohortError, {"folder": new_dataset}),
        (CohortError, {"folder": tmp_path / "nowhere"}),
        (ConfigError, {"overrides": {"train": {"epoch_lenght": 1}}}),
        (ConfigError, {"overrides": {"training": {}}}),
        (ConfigError, {"overrides": {"inference": {"network_def::network::filters": [8, 16, 32]}}}),
        (ConfigError, {"overrides": {"train": {"network_def::network::out_channels": 4}}}),
        (ConfigError, {"overlays": ["regime_b"]}),
        (ConfigError, {"epochs": {"first": 1, "latter": 1}}),
        (ConfigError, {"epochs": {"first": 1}}),
        (ConfigError, {"views": ["axail"]}),
        (ConfigError, {"executor": "ray"}),
        (ConfigError, {"workers": 0, "executor": "local"}),
        (ConfigError, {"threads": 0}),
        (ConfigError, {"strategy": "atos"}),
    ]
    for error, changes in cases:
        with pytest.raises(error):
            make_engine(tmp_path / "run", **changes).run()
        assert not (tmp_path / "run").exists(), changes


def test_a_foreign_folder_is_left_alone(make_engine: Make, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunFolderError, match="Nothing was written"):
        make_engine(tmp_path).run()
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_step_that_fails_tells_where_to_look_and_the_run_goes_on_from_there(
    make_engine: Make,
    tmp_path: Path,
    new_dataset: Path,
    make_cohort: Callable[..., Cohort],
    finished: Run,
    hashes: Hashes,
) -> None:
    victim = make_cohort(new_dataset).test[0].image
    whole = victim.read_bytes()
    engine = make_engine(tmp_path / "run", folder=new_dataset)
    original = engine._check

    def cut_after_check(*arguments: Any) -> Any:
        found = original(*arguments)
        victim.write_bytes(whole[:100])
        shutil.rmtree(tmp_path / "run" / "cache")
        return found

    engine._check = cut_after_check  # type: ignore[method-assign]
    with pytest.raises(StepFailedError) as caught:
        engine.run()
    assert caught.value.step == "predictions/g0"
    assert caught.value.log.read_text(encoding="utf-8").count("Traceback") > 0
    assert victim.name in str(caught.value)
    victim.write_bytes(whole)
    make_engine(tmp_path / "run", folder=new_dataset).run()
    assert hashes(tmp_path / "run") == hashes(finished.run_dir)


# --- options that shape training


def test_a_start_from_the_snapshot(make_engine: Make, tmp_path: Path) -> None:
    run = make_engine(tmp_path / "run", start="snapshot", strategy="stso", views=["axial"]).run()
    record = json.loads((run.run_dir / "model/g0/axial/result.json").read_text(encoding="utf-8"))
    assert sorted(record["files"]) == ["model.pt", "snapshot.pt"]
