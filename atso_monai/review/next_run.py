"""The command that goes on from a promoted cohort."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atso_monai.bundle import embedded_bundles
from atso_monai.review.read_run import ReadRun


def next_command(run: ReadRun, cohort_file: Path) -> str:
    """The command that starts a run from the new cohort with the settings of the old one."""
    s = run.settings
    words = ["atso", "run", "--cohort", str(cohort_file), "--bundle", bundle_name(run)]
    words += [f"--overlay={name}" for name in s.get("overlays", ())]
    words += ["--output_dir", str(cohort_file.parent.with_name(f"{cohort_file.parent.name}-run"))]
    compare = [outcome.strategy for outcome in run.plan.outcomes[1:]]
    options = {
        **{name: s[name] for name in ("strategy", "generations", "views", "start", "final_labels", "seed")},
        "compare": compare,
        "epochs": {"first": s["first_epochs"], "later": s["later_epochs"]},
        "evaluate_each_generation": s["evaluate_each_generation"],
        "diagnostics": s["diagnostics"],
        "threads": s["threads"],
    }
    options |= {"overrides": s["overrides"]} if s.get("overrides") else {}
    for name, value in options.items():
        words += [f"--{name}", _yaml(value)]
    return shlex.join(words)


def _yaml(value: Any) -> str:
    """One line of YAML, as options of the command line take it."""
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=float("inf"), sort_keys=False)
    return str(text).removesuffix("\n").removesuffix("...").strip()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def bundle_name(run: ReadRun) -> str:
    """The bundle as the command names it: by the name of its folder, which says all of an embedded one only."""
    return str(run.settings.get("bundle", {}).get("name", "BUNDLE"))


def command_note(run: ReadRun) -> str:
    """What must be put into the command by hand, or an empty string."""
    name = bundle_name(run)
    if name in embedded_bundles():
        return ""
    return f"the run used a bundle folder of your own: put its path in the place of {name!r} after --bundle"
