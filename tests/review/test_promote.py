from __future__ import annotations

import argparse
import csv
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cli import settings
from atso_monai.cohort import Case, Cohort
from atso_monai.errors import AtsoError, CohortError
from atso_monai.files import hash_file
from atso_monai.review.audit import audit
from atso_monai.review.corrections import CorrectionError
from atso_monai.review.next_run import command_note, next_command
from atso_monai.review.promote import PromotionError, promote, promoted_cohort
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report.facts import facts

Make = Callable[..., ReadRun]


def hashes(folder: Path) -> dict[str, str]:
    return {str(p): hash_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def corrected(run: ReadRun, tmp_path: Path) -> Path:
    """The truth of one reference case of each fold, as if a person had drawn it."""
    folder = tmp_path / "corrected"
    folder.mkdir()
    for fold in range(2):
        case = run.cohort.fold(fold)[0]
        assert case.truth is not None
        nib.save(nib.load(case.truth), folder / f"{case.id}.nii.gz")
    return folder


def test_corrected_cases_become_labelled_and_nothing_else_changes(
    run: ReadRun, corrected: Path, tmp_path: Path, dataset_dir: Path
) -> None:
    before = hashes(run.run_dir) | hashes(dataset_dir) | hashes(corrected)
    done = promote(run, corrected, tmp_path / "new ä #2", "A. Reader")
    assert hashes(run.run_dir) | hashes(dataset_dir) | hashes(corrected) == before
    cohort = Cohort.load(tmp_path / "new ä #2" / "cohort.json")
    names = {file.name.removesuffix(".nii.gz") for file in corrected.iterdir()}
    assert cohort == done.cohort
    assert {c.id for c in cohort.labelled} == {c.id for c in run.cohort.labelled} | names
    assert {c.id for c in cohort.reference} == {c.id for c in run.cohort.reference} - names
    assert cohort.test == run.cohort.test
    assert [set(fold) for fold in cohort.folds] == [set(fold) - names for fold in run.cohort.folds]
    assert cohort.fingerprint != run.cohort.fingerprint
    for case in cohort.labelled[-2:]:
        label, truth = nib.load(case.label), nib.load(corrected / f"{case.id}.nii.gz")
        np.testing.assert_array_equal(np.asarray(label.dataobj), np.asarray(truth.dataobj))
        np.testing.assert_allclose(label.affine, nib.load(case.image).affine, atol=1e-5)


def test_provenance_says_who_when_from_what_in_place_of_what(run: ReadRun, corrected: Path, tmp_path: Path) -> None:
    done = promote(run, corrected, tmp_path / "new", "A. Reader")
    found = json.loads((tmp_path / "new" / "provenance.json").read_text(encoding="utf-8"))
    assert found["promoted_from"]["fingerprint"] == run.cohort.fingerprint
    for name, record in found["cases"].items():
        assert record["by"] == "A. Reader"
        assert record["source_sha256"] == hash_file(corrected / record["source"])
        assert record["sha256"] == hash_file(tmp_path / "new" / "labels" / f"{name}.nii.gz")
        assert record["replaces_sha256"] == hash_file(run.run_dir / record["replaces"])
        assert record["dice_with_pseudo_label"] == pytest.approx(done.cases[name], abs=1e-6)
        assert 0 < record["dice_with_pseudo_label"] < 1
    with (tmp_path / "new" / "audit.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["maker"] for row in rows if row["made_by"] == "person"] == ["A. Reader"] * 2
    assert sum(row["generation"] == "result" for row in rows) == 4


def test_the_audit_of_the_next_run_names_the_person(
    run: ReadRun, make_run: Make, corrected: Path, tmp_path: Path
) -> None:
    done = promote(run, corrected, tmp_path / "new", "A. Reader")
    following = make_run(tmp_path / "next", done.cohort, generations=1, compare=())
    first, last = done.cohort.labelled[-2:]
    assert last.label is not None
    nib.save(nib.Nifti1Image(np.zeros(nib.load(last.label).shape, np.uint8), np.eye(4)), last.label)
    assert ("Promoted labels", "2 by A. Reader") in facts(following)
    makers = {r["case"]: r["maker"] for r in audit(following) if r["made_by"] == "person"}
    assert makers == {first.id: "A. Reader", last.id: "A. Reader (the file changed after it was promoted)"}


def test_labels_are_written_in_the_values_of_the_label_map(run: ReadRun, corrected: Path, tmp_path: Path) -> None:
    mapped = replace(run, cohort=replace(run.cohort, label_map={1: 2, 2: 1, 9: 1, 5: 0}))
    done = promote(mapped, corrected, tmp_path / "new", "x")
    case = done.cohort.labelled[-1]
    drawn = np.asarray(nib.load(corrected / f"{case.id}.nii.gz").dataobj)
    written = np.asarray(nib.load(case.label).dataobj)
    np.testing.assert_array_equal(written, np.array([0, 2, 1])[drawn])
    unmapped = replace(run, cohort=replace(run.cohort, label_map={1: 1}))
    with pytest.raises(PromotionError, match="No value of the label files stands for 'back'"):
        promote(unmapped, corrected, tmp_path / "other", "x")


def test_what_does_not_fit_is_refused_and_leaves_nothing(run: ReadRun, corrected: Path, tmp_path: Path) -> None:
    any_label = next(corrected.iterdir())

    def attempt(match: str, error: type[AtsoError] = PromotionError, to: str = "new", by: str = "x") -> None:
        here = set(tmp_path.iterdir())
        with pytest.raises(error, match=match):
            promote(run, corrected, tmp_path / to, by)
        assert set(tmp_path.iterdir()) == here

    attempt("--by NAME", by=" ")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    attempt("is not empty", to="full")
    for case, match in ((run.cohort.test[0], "is a test case"), (run.cohort.labelled[0], "is a labelled case")):
        extra = corrected / f"{case.id}.nii.gz"
        extra.write_bytes(any_label.read_bytes())
        attempt(match)
        extra.unlink()
    extra = corrected / f"{run.cohort.reference[0].id}x.nii.gz"
    extra.write_bytes(any_label.read_bytes())
    attempt("no case of the run is called")
    extra.unlink()
    image = nib.load(any_label)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * 0, image.affine), any_label)
    attempt("label is empty", CohortError)
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), image.affine), any_label)
    attempt("does not lie on the grid", CorrectionError)


def test_some_reference_cases_must_remain(run: ReadRun, corrected: Path, tmp_path: Path) -> None:
    for case in run.cohort.reference[:3]:
        assert case.truth is not None
        nib.save(nib.load(case.truth), corrected / f"{case.id}.nii.gz")
    with pytest.raises(PromotionError, match="of 4 reference cases would remain"):
        promote(run, corrected, tmp_path / "new", "x")


def test_a_fold_that_would_be_empty_is_dealt_anew() -> None:
    cases = tuple(Case(name, Path(f"{name}.nii")) for name in "abcdef")
    cohort = Cohort("c", {0: "b", 1: "x"}, reference=cases, folds=(("a", "b"), ("c", "d", "e", "f")))
    kept = promoted_cohort(cohort, {"a": Path("a.nii.gz")})
    assert kept.folds == (("b",), ("c", "d", "e", "f"))
    dealt = promoted_cohort(cohort, {name: Path(f"{name}.nii.gz") for name in "ab"})
    assert sorted(len(fold) for fold in dealt.folds) == [2, 2]
    assert {name for fold in dealt.folds for name in fold} == set("cdef")


def test_the_next_command_starts_the_same_run_on_the_new_cohort(run: ReadRun, corrected: Path, tmp_path: Path) -> None:
    done = promote(run, corrected, tmp_path / "new ä #2", "x")
    changed = {**run.settings, "overrides": {"train": {"epoch_length": 3}}}
    words = shlex.split(next_command(replace(run, settings=changed), done.cohort_file))
    assert words[:2] == ["atso", "run"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    settings.add_arguments(parser)
    engine = settings.workflow(*parser.parse_known_args(words[2:])).engine
    assert engine.cohort == done.cohort
    assert engine.plan() == run.plan
    assert command_note(run) == ""
    assert "'mine'" in command_note(replace(run, settings={**run.settings, "bundle": {"name": "mine"}}))
    assert engine._overrides == {"train": {"epoch_length": 3}}
    assert engine.run_dir == tmp_path / "new ä #2-run"
