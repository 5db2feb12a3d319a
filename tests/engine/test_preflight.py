from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.engine.preflight import (
    bytes_needed,
    content_hashes,
    require_devices,
    require_snapshots,
    training_size,
    try_network,
)
from atso_monai.errors import CohortError, ConfigError

Make = Callable[..., Any]


def silent(done: int, total: int) -> None:
    pass


def test_content_is_voxels_and_affine(new_dataset: Path, make_cohort: Make, tmp_path: Path) -> None:
    cohort = make_cohort(new_dataset)
    before, facts = content_hashes(cohort, tmp_path / "facts", silent)
    assert set(before) == {
        p for c in cohort.labelled + cohort.reference + cohort.test for p in (c.image, c.label, c.truth) if p
    }
    assert set(facts) == set(before)
    first, second, third = (case.image for case in cohort.labelled)
    image = nib.load(first)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).astype(np.int32), image.affine), first)  # the same voxels
    shutil.copystat(third, first)
    moved = nib.load(second)
    shifted = moved.affine + np.outer([1, 0, 0, 0], [0, 0, 0, 0.05])  # within the checks' tolerance of its label
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), shifted), second)
    voxels = np.asarray(nib.load(third).dataobj).copy()
    voxels[0, 0, 0] += 1
    nib.save(nib.Nifti1Image(voxels, nib.load(third).affine), third)
    after, _ = content_hashes(cohort, tmp_path / "facts", silent)
    assert {path for path in before if before[path] != after[path]} == {second, third}


def test_all_problems_come_at_once(new_dataset: Path, make_cohort: Make) -> None:
    cohort = make_cohort(new_dataset)
    cohort.labelled[0].image.unlink()
    cohort.test[0].image.write_bytes(b"cut")
    with pytest.raises(CohortError) as caught:
        content_hashes(cohort, None, silent)
    for case in (cohort.labelled[0], cohort.test[0]):
        assert case.id in str(caught.value)


def test_an_open_size_holds_every_case_to_train_on(described: Make, cohort: Cohort) -> None:
    _, facts = content_hashes(cohort, None, silent)
    place = described().place
    assert training_size(place, facts) is None  # the bundle has one
    largest = np.zeros(3, int)
    for case in (*cohort.labelled, *cohort.reference):
        largest = np.maximum(largest, nib.as_closest_canonical(nib.load(case.image)).shape)
    size = training_size(described(changes={"overrides": {"train": {"size": None}}}).place, facts)
    assert size == tuple(int(np.ceil(n / 8) * 8) for n in largest)
    coarse = {"train": {"size": None, "spacing": [None, None, 0.5]}}
    finer = training_size(described(changes={"overrides": coarse}).place, facts)
    assert size is not None
    assert finer is not None
    assert finer[:2] == size[:2]
    assert finer[2] > 2 * size[2]


def network(name: str, value: Any) -> dict[str, Any]:
    return {"changes": {"overrides": {name: {f"network_def::{key}": v for key, v in value.items()}}}}


def test_networks_that_fit(described: Make) -> None:
    try_network(described().place)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (network("train", {"network::out_channels": 8}), "declare different networks"),
        (network("inference", {"network::out_channels": 16}), "tell 4 classes apart, but the cohort has 3"),
        (network("inference", {"network::filters": [8, 16, 32]}), "declare different networks"),
        (network("inference", {"network::in_channels": 5}), r"\(predict\) cannot be used: RuntimeError"),
        (network("train", {"network::_target_": "monai.networks.nets.NoNet"}), "cannot be used"),
    ],
)
def test_networks_that_do_not(described: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        try_network(described(**changes).place)


def test_the_space_grows_with_the_cohort(cohort: Cohort) -> None:
    _, facts = content_hashes(cohort, None, silent)
    fewer = replace(cohort, test=())
    assert bytes_needed(cohort, facts, 10) > bytes_needed(fewer, facts, 10) > 0
    assert bytes_needed(cohort, facts, 20) > bytes_needed(cohort, facts, 10)


@pytest.mark.parametrize(
    ("name", "message"),
    [("gpu", "'gpu' is no device"), ("cuda:3", "'cuda:3' is not on this machine, which has 1 CUDA GPU.")],
)
def test_a_device_that_is_not_there(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    require_devices(["cpu", "cuda", "cuda:0"])
    with pytest.raises(ConfigError, match=message):
        require_devices(["cpu", name])


def test_a_snapshot_of_an_epoch_that_never_comes_is_refused(described: Make) -> None:
    """Told before the first training, and not after it."""

    def check(epoch: object, **shape: Any) -> None:
        made = described(changes={"overrides": {"train": {"snapshot_epoch": epoch}}}, **shape)
        require_snapshots(made.place, made.plan)

    check(9, start="scratch")
    check(2, start="snapshot", first_epochs=2)
    check("$@max_epochs // 2", start="snapshot", first_epochs=2)
    for epoch in (3, 0):
        with pytest.raises(ConfigError, match=rf"weights of model/g0/axial after epoch {epoch} .* it has 2 epochs"):
            check(epoch, start="snapshot", first_epochs=2)
    with pytest.raises(ConfigError, match="model/g0/axial"):  # it must leave one though nobody starts from it
        check(3, start="snapshot", first_epochs=2, strategy="supervised")
