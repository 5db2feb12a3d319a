"""Which label was used for each case in each generation, who made it, and how sure it was."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from atso_monai.cohort import Case
from atso_monai.engine.plan import GIVEN, LABELLED, TRUTH, Step
from atso_monai.files import atomic_path, hash_file, read_json
from atso_monai.review.outcomes import Scores, agreement_series, change_series, mean_over_classes
from atso_monai.review.read_run import ReadRun

PROVENANCE = "provenance.json"
COLUMNS = (
    "case", "role", "generation", "used_by", "label", "label_sha256", "made_by", "maker", "maker_sha256", "agreement",
    "change",
)  # fmt: skip
HEADER = ",".join(COLUMNS)
"""How an audit file begins."""
Record = dict[str, str]


def audit(run: ReadRun) -> Iterator[Record]:
    """One record for each case and generation of the strategy that the run delivers, trainings that are done only.

    ``generation`` is that of the trainings which used the label (``result`` for the final pseudo labels, which are
    what the run delivers). ``made_by`` is ``person``, ``model`` or ``given`` (came with the data).
    ``maker`` names the models of all views, ``maker_sha256`` their weights, in the same order. ``agreement`` and
    ``change`` are Dice in [0, 1], mean over classes, of the models that made the
    label; empty where they are not known.
    """
    generations = _used(run)
    for case in run.cohort.labelled:
        record = _given(case)
        for generation, users in generations.get((LABELLED, GIVEN), {}).items():
            yield {**record, "role": LABELLED, "generation": generation, "used_by": " ".join(users)}
    sure = {name: _sure(run, name) for name in ("agreement", "change")}
    folds = [(f"f{k + 1}", fold) for k, fold in enumerate(run.cohort.folds)]
    for fold, members in folds:
        sources = {source: used for (cases, source), used in generations.items() if cases == fold}
        for source, used in sources.items():
            for generation, users in used.items():
                for name in members:
                    yield from _reference(run, name, source, generation, users, sure)


def _used(run: ReadRun) -> dict[tuple[str, str], dict[str, list[str]]]:
    """(set of cases, label source) to generation to the models that trained on it; the delivered labels last."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    needed = _own_steps(run)
    for step in run.plan.steps:
        if step.kind == "train" and step.makes in needed and step.makes in run.results:
            for pair in step.sets:
                found.setdefault(pair, {}).setdefault(step.generation, []).append(step.makes)
    for artefact in run.outcome.labels:
        if artefact in run.results:
            found.setdefault((artefact.rsplit("/", 1)[1], artefact), {}).setdefault("result", ["pseudo_labels"])
    return found


def _own_steps(run: ReadRun) -> set[str]:
    """All artefacts that the delivered model and labels are made from."""
    steps = {step.makes: step for step in run.plan.steps}
    needed, queue = set[str](), [*run.outcome.models, *run.outcome.labels]
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += steps[name].needs
    return needed


def _given(case: Case) -> Record:
    """The label of a labelled case: by the person whom a promoted cohort names, or as it came with the data."""
    assert case.label is not None
    record = {"case": case.id, "label": str(case.label), "agreement": "", "change": ""}
    known = provenance_of(case.label).get(case.id, {})
    digest = hash_file(case.label) if case.label.is_file() else ""
    if not known:
        return {**record, "label_sha256": digest, "made_by": "given", "maker": "", "maker_sha256": ""}
    changed = "" if known.get("sha256") == digest else " (the file changed after it was promoted)"
    return {
        **record, "label_sha256": digest, "made_by": "person", "maker": f"{known.get('by', '')}{changed}",
        "maker_sha256": "",
    }  # fmt: skip


def provenance_of(label: Path) -> Mapping[str, Any]:
    """What a promoted cohort says of its labels, by case id; empty for labels that came otherwise."""
    file = label.parent.parent / PROVENANCE
    try:
        found = read_json(file)["cases"] if file.is_file() else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _reference(
    run: ReadRun, case: str, source: str, generation: str, users: list[str], sure: Mapping[str, Mapping[str, Scores]]
) -> Iterator[Record]:
    base = {"case": case, "role": "reference", "generation": generation, "used_by": " ".join(users)}
    if source == TRUTH:
        truth = next((c.truth for c in run.cohort.reference if c.id == case), None)
        if truth is not None:
            yield {**base, "label": str(truth), "made_by": "given", "maker": "withheld truth (oracle)"}
        return
    result, step = run.results.get(source), run.plan.step(source)
    if result is None:
        return
    yield {
        **base,
        "label": f"{source}/{case}.nii.gz",
        "label_sha256": result.files.get(f"{case}.nii.gz", ""),
        **_maker(run, step),
        **{name: _text(sure[name].get(step.generation, {}), case) for name in ("agreement", "change")},
    }


def _maker(run: ReadRun, step: Step) -> Record:
    digests = [run.results[name].files.get("model.pt", "") for name in step.needs if name in run.results]
    return {"made_by": "model", "maker": " ".join(step.needs), "maker_sha256": " ".join(digests)}


def _sure(run: ReadRun, what: str) -> dict[str, Scores]:
    """Agreement or change of each case, by the generation whose models made the label."""
    series = agreement_series if what == "agreement" else change_series
    per_label = {label: series(run, run.outcome.strategy, label) for label in run.classes.values()}
    generations = dict.fromkeys(g for found in per_label.values() for g in found)
    return {g: mean_over_classes(run, {label: s.get(g, {}) for label, s in per_label.items()}) for g in generations}


def _text(scores: Scores, case: str) -> str:
    return f"{scores[case]:.6f}" if case in scores else ""


def write_audit(records: Iterator[Record], to: Path) -> None:
    """Write the records as CSV, in one step."""
    with atomic_path(to) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(records)
