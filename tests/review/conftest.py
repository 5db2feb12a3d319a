"""Run folders as the engine leaves them, with made-up predictions in place of trained ones: a second each."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine import Scheme, Step, build_plan
from atso_monai.engine.orders import draft
from atso_monai.engine.record import Result, hash_files, write_result
from atso_monai.engine.workplace import Workplace
from atso_monai.files import write_json
from atso_monai.metrics import ScoreSheet
from atso_monai.review.read_run import ReadRun, read_run

Make = Callable[..., ReadRun]
STRENGTH = {"oracle": 0, "atso": 1, "stso": 3, "supervised_matched": 2, "supervised": 3, "self_learning": 3}


def label_of(file: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nib.load(file)
    return np.asarray(image.dataobj).astype(np.uint8), image.affine


def made_up(label: np.ndarray, step: Step, case: str) -> np.ndarray:
    """A label moved by a few voxels, more for weaker strategies, the same each time."""
    far = STRENGTH[step.strategy] + zlib.crc32(f"{step.makes}{case}".encode()) % 2 + (step.generation == "0")
    return np.roll(label, far, axis=0)


def write_run(folder: Path, cohort: Cohort, scheme: Scheme, done: Callable[[Step], bool]) -> Path:
    plan = build_plan(scheme)
    bundle = {"name": "msd_hippocampus", "train": "1", "predict": "2"}
    settings = {**asdict(scheme), "seed": 0, "threads": 1, "overlays": [], "overrides": {}, "bundle": bundle}
    write_json(folder / "run.json", {"plan": asdict(scheme), "cohort": "cohort.json", "settings": settings})
    cohort.save(folder / "cohort.json")
    place = Workplace(folder, folder, cohort.blind(), cohort.truths(), defaultdict(lambda: "content"), 0)
    for step in plan.steps:
        if done(step):
            write_step(place, cohort, step)
    return folder


def write_step(place: Workplace, cohort: Cohort, step: Step) -> None:
    folder = place.folder(step.makes)
    folder.mkdir(parents=True)
    if step.kind == "train":
        (folder / "model.pt").write_text(step.makes)
    elif step.kind == "predict":
        cases = {**{f"f{k + 1}": cohort.fold(k) for k in range(len(cohort.folds))}, "test": cohort.test}
        for case in [case for name in step.cases for case in cases[name]]:
            file = case.truth or case.label
            label, affine = label_of(file) if file else label_of(case.image)
            label = label if file else (label > 60).astype(np.uint8)
            nib.save(nib.Nifti1Image(made_up(label, step, case.id), affine), folder / f"{case.id}.nii.gz")
    else:
        datalist = draft(place, step, defaultdict(str)).datalist
        write_json(folder / "datalist.json", datalist)
        ScoreSheet(folder / "datalist.json", folder / "scores.csv").write()
    files = hash_files(folder, {"train": "*.pt", "predict": "*.nii.gz", "score": "*.csv"}[step.kind])
    versions = {"atso_monai": "1", "monai": "1.6.1", "torch": "2", "python": "3", "device": "cpu", "began": 1.7e9}
    write_result(folder, Result(step.makes, "key", files, 60.0, versions))


@pytest.fixture(scope="session")
def make_run(make_cohort: Callable[..., Cohort], dataset_dir: Path, scheme: Callable[..., Scheme]) -> Make:
    """Writes a run into a folder: ``make_run(folder, done=..., cohort=..., compare=...)``."""

    def make(
        folder: Path, cohort: Cohort | None = None, done: Callable[[Step], bool] = lambda step: True, **changes: object
    ) -> ReadRun:
        who = cohort or make_cohort(dataset_dir)
        shape = {"compare": ("supervised", "stso", "oracle"), "views": ("axial",), "test": bool(who.test), **changes}
        return read_run(write_run(folder, who, scheme(folds=len(who.folds), **shape), done))

    return make


@pytest.fixture(scope="session")
def run(make_run: Make, tmp_path_factory: pytest.TempPathFactory) -> ReadRun:
    """A finished run: 3 labelled, 4 reference and 3 test cases of awkward names, two classes. Not to be changed."""
    return make_run(tmp_path_factory.mktemp("runs") / "Läuf #1 <b>")


@pytest.fixture
def own_run(make_run: Make, tmp_path: Path) -> ReadRun:
    """A run that a test may change."""
    return make_run(tmp_path / "run")


def without_truth(cohort: Cohort) -> Cohort:
    """The cohort as it is in practice: nothing is known of the reference cases, and there is no test set."""
    from dataclasses import replace

    return replace(cohort, reference=tuple(case.bare() for case in cohort.reference), test=())


@pytest.fixture
def bare_cohort(make_cohort: Callable[..., Cohort], dataset_dir: Path) -> Cohort:
    return without_truth(make_cohort(dataset_dir))
