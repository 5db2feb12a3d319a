"""Run folders described by the plan, without running anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from atso_monai.bundle import find_bundle
from atso_monai.cohort import Cohort
from atso_monai.engine import Scheme, build_plan
from atso_monai.engine.orders import Draft, draft
from atso_monai.engine.plan import Plan, Step
from atso_monai.engine.step_folder import write
from atso_monai.engine.workplace import Workplace
from atso_monai.files import hash_file, hash_json, read_json


class Described:
    """Every step of a plan, described in its folder as for a run whose artefacts are ``<name>`` each."""

    def __init__(self, cohort: Cohort, scheme: Scheme, run_dir: Path, **changes: Any) -> None:
        self.plan: Plan = build_plan(scheme)
        strategies = {outcome.strategy for outcome in self.plan.outcomes}
        files = [p for c in cohort.labelled + cohort.reference + cohort.test for p in (c.image, c.label, c.truth) if p]
        values: dict[str, Any] = {
            "run_dir": run_dir,
            "bundle": find_bundle("msd_hippocampus"),
            "cohort": cohort.blind(),
            "truths": cohort.truths(),
            "contents": {path: hash_file(path) for path in files},
            "seed": 0,
            "revealed": cohort.revealed() if "oracle" in strategies else None,
            "keep_snapshot": scheme.start == "snapshot",
        }
        self.place = Workplace(**{**values, **changes})
        self.drafts: dict[str, Draft] = {}
        for step in self.plan.steps:
            self.drafts[step.makes] = draft(self.place, step, self.digests(step))

    @staticmethod
    def digests(step: Step) -> Mapping[str, str]:
        return {name: hash_json(name) for name in step.needs}

    @property
    def keys(self) -> dict[str, str]:
        return {name: one.order.key for name, one in self.drafts.items()}

    def write(self) -> None:
        for one in self.drafts.values():
            write(self.place, one)

    def config(self, makes: str) -> dict[str, Any]:
        text = (self.place.folder(makes) / "config.yaml").read_text(encoding="utf-8")
        return yaml.safe_load(text)  # type: ignore[no-any-return]

    def datalist(self, makes: str) -> Any:
        return read_json(self.place.folder(makes) / "datalist.json")


@pytest.fixture
def described(cohort: Cohort, scheme: Callable[..., Scheme], tmp_path: Path) -> Callable[..., Described]:
    def make(
        of: Cohort = cohort, run_dir: Path = tmp_path / "run #1 50%", changes: Any = None, **shape: Any
    ) -> Described:
        return Described(of, scheme(**shape), run_dir, **(changes or {}))

    return make
