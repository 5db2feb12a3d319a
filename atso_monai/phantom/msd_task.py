"""Phantoms as a task folder of the Medical Segmentation Decathlon: pancreas and tumour, slices of any distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atso_monai.errors import ConfigError
from atso_monai.files import atomic_path, write_json
from atso_monai.phantom.acquisition import Scanner
from atso_monai.phantom.case import FIELD_OF_VIEW, PhantomCase, phantom_case
from atso_monai.phantom.settings import claim_folder, written_settings
from atso_monai.phantom.writer import case_seed, nifti_bytes

_TUMOUR = 0.25  # of the pancreas, by volume


def write_msd_task(
    folder: Path | str,
    *,
    cases: int,
    unlabelled: int = 0,
    seed: int,
    plane: int = 96,
    slice_distances: Sequence[float] = (2.5, 0.7, 7.5, 1.25, 5.0),
) -> Path:
    """Write ``dataset.json``, ``imagesTr``, ``labelsTr`` and ``imagesTs`` in the manner of Task07_Pancreas.

    Labels are 1 pancreas and 2 tumour: a quarter of the pancreas, 30 HU darker. Beside the volumes lie ``._*`` files,
    as in the archive. Cases that are there already are kept.

    Args:
        folder: made when missing.
        cases: with label.
        unlabelled: further cases, without label.
        seed: at least 0.
        plane: voxels along X and along Y.
        slice_distances: mm; the cases take one after the other.

    Returns:
        ``folder``.

    Raises:
        ConfigError: without cases or slice distances.
        CohortError: where the folder holds phantoms of other settings.
    """
    if cases < 1 or unlabelled < 0 or not slice_distances or min(slice_distances) <= 0:
        raise ConfigError(
            "A task needs at least 1 case, 0 or more unlabelled ones, and positive slice distances in mm. "
            f"Received: cases={cases}, unlabelled={unlabelled}, slice_distances={list(slice_distances)}."
        )
    folder, distances = Path(folder), [float(d) for d in slice_distances]
    settings = written_settings(scanner=Scanner(), layout="msd", seed=seed, plane=plane, slice_distances=distances)
    claim_folder(folder, settings)
    names = [f"pancreas_{number + 1:03d}.nii.gz" for number in range(cases + unlabelled)]
    for number, name in enumerate(names):
        image = folder / ("imagesTr" if number < cases else "imagesTs") / name
        label = folder / "labelsTr" / name if number < cases else None
        if not (label or image).is_file():
            own = case_seed(seed, number)
            _write_case(_case(own, plane, distances[number % len(distances)]), own, image, label)
    training = [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names[:cases]]
    content: dict[str, object] = {"name": "Pancreas", "labels": {"0": "background", "1": "pancreas", "2": "cancer"}}
    content |= {"numTraining": cases, "numTest": unlabelled, "training": training}
    write_json(folder / "dataset.json", {**content, "test": [f"./imagesTs/{name}" for name in names[cases:]]})
    return folder


def _write_case(case: PhantomCase, seed: int, image: Path, label: Path | None) -> None:
    scan, truth = _with_tumour(case, seed)
    _write(image, scan, case.affine)
    if label is not None:
        _write(label, truth, case.affine)


def _case(seed: int, plane: int, distance: float) -> PhantomCase:
    slices, side = max(8, round(FIELD_OF_VIEW[2] / distance)), FIELD_OF_VIEW[0] / plane
    scanner = Scanner(jitter=0.0)
    return phantom_case(seed, shape=(plane, plane, slices), spacing=(side, side, distance), scanner=scanner)


def _with_tumour(case: PhantomCase, seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Image and label of a case of whose pancreas the part nearest to one of its voxels is a tumour."""
    inside = np.argwhere(case.label > 0)
    centre = inside[np.random.default_rng(seed).integers(len(inside))]
    distance = np.linalg.norm((inside - centre) * np.diag(case.affine)[:3], axis=1)
    chosen = tuple(inside[np.argsort(distance, kind="stable")[: max(1, int(_TUMOUR * len(inside)))]].T)
    image, label = case.image.copy(), case.label.copy()
    image[chosen] -= 30
    label[chosen] = 2
    return image, label


def _write(path: Path, values: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    content = nifti_bytes(values, affine, "RAS")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
