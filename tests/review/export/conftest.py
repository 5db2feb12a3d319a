"""Finished run folders without any training, and DICOM series without a scanner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from atso_monai.cohort import Cohort
from atso_monai.engine import Scheme, build_plan
from atso_monai.engine.plan import TEST, fold_name
from atso_monai.engine.record import Result, hash_files, write_result
from atso_monai.files import write_json

MakeRun = Callable[..., Path]


def random_label(cohort: Cohort, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A label that depends on its key alone, with all classes somewhere."""
    rng = np.random.default_rng(sum(map(ord, key)))
    return rng.choice(list(cohort.labels), size=shape, p=_mostly_background(len(cohort.labels))).astype(np.uint8)


def _mostly_background(classes: int) -> list[float]:
    return [0.8] + [0.2 / (classes - 1)] * (classes - 1)


def write_run(run_dir: Path, cohort: Cohort, scheme: Scheme, label: Callable[..., np.ndarray] = random_label) -> Path:
    """A run folder in which all predictions are made, of random labels."""
    write_json(run_dir / "run.json", {"plan": asdict(scheme), "cohort": "cohort.json", "settings": {}})
    cohort.save(run_dir / "cohort.json")
    sets = {fold_name(k): cohort.fold(k) for k in range(len(cohort.folds))} | {TEST: cohort.test}
    for step in build_plan(scheme).steps:
        if step.kind != "predict":
            continue
        folder = run_dir / step.makes
        folder.mkdir(parents=True)
        for case in (case for name in step.cases for case in sets[name]):
            image = nib.load(case.image)
            voxels = label(cohort, f"{step.makes}/{case.id}", image.shape)
            nib.save(nib.Nifti1Image(voxels, image.affine), folder / f"{case.id}.nii.gz")
        write_result(folder, Result(step.makes, "key", hash_files(folder, "*.nii.gz"), 1.0))
    return run_dir


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    return write_run


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory, cohort: Cohort, scheme: Callable[..., Scheme]) -> Path:
    """The folder of a run of two generations; never changed by a test."""
    return write_run(tmp_path_factory.mktemp("runs") / "Läuf #1 50% $x", cohort, scheme())


OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, 0.6)
"""Directions (LPS) along which columns and rows grow, of a tilted slice."""


def write_series(folder: Path, size: tuple[int, int, int] = (9, 7, 5), **changes: Any) -> Path:
    """A CT series of (columns, rows, slices), oblique and anisotropic, its files in no order.

    ``changes`` are attributes of every slice; None takes one away.
    """
    folder.mkdir(parents=True)
    columns, rows, slices = size
    across = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    shared = {
        "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid(),
        "Modality": "CT", "PatientID": "1", "PatientName": "A^B", "PatientBirthDate": "", "PatientSex": "",
        "StudyDate": "20200101", "StudyTime": "120000", "StudyID": "1", "AccessionNumber": "", "SeriesNumber": 1,
        "ReferringPhysicianName": "", "PositionReferenceIndicator": "", "Manufacturer": "x",
        "ImageOrientationPatient": list(OBLIQUE), "PixelSpacing": [0.7, 0.9], "SliceThickness": 2.5,
        "Rows": rows, "Columns": columns, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "RescaleSlope": 1,
        "RescaleIntercept": 0, "SOPClassUID": CTImageStorage,
    }  # fmt: skip
    for number in range(slices):
        place = np.array([-31.0, 17.5, 240.0]) + 2.5 * number * across
        own = {"SOPInstanceUID": generate_uid(), "ImagePositionPatient": [round(float(v), 6) for v in place]}
        dataset = Dataset()
        for name, value in {**shared, "InstanceNumber": number + 1, **own, **changes}.items():
            if value is not None:
                setattr(dataset, name, value)
        dataset.PixelData = np.full((rows, columns), number, np.int16).tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = str(own["SOPInstanceUID"])
        pydicom.dcmwrite(folder / f"{(number * 3) % slices}.dcm", dataset, enforce_file_format=True)
    return folder


@pytest.fixture(scope="session")
def make_series() -> Callable[..., Path]:
    return write_series
