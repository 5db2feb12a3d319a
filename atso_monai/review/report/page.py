"""One HTML file that needs nothing else: no network, no library, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import atso_monai
from atso_monai.errors import ConfigError
from atso_monai.files import write_text
from atso_monai.review.outcomes import REFERENCE, SETS, TEST
from atso_monai.review.own_file import require_free
from atso_monai.review.queue import Suspect, review_queue
from atso_monai.review.read_run import ReadRun
from atso_monai.review.report import cases, distances, facts, figures, numbers
from atso_monai.review.report.class_colours import class_legend
from atso_monai.review.report.looks import NAMES
from atso_monai.review.report.pictures import legend_words
from atso_monai.review.report.tiles import tiles

HERE = Path(__file__).parent
BEGIN = "<!DOCTYPE html>\n<!-- atso_monai report -->"
"""How a report begins; such a file may be written anew, any other is left alone."""


def write_report(runs: Sequence[ReadRun], to: Path) -> Path:
    """Write the report of the first run; further ones join its curves and a table over runs.

    One volume is in memory at a time, and a handful of pictures whatever the number of cases.

    Args:
        runs: the run, and others of the same task to show beside it.
        to: the HTML file; an older report there is replaced.

    Raises:
        ConfigError: when the runs segment different structures.
        OutputExistsError: when ``to`` is a file that is no report.
        PrepareError: when a pseudo label cannot be read.
    """
    require_free(to, BEGIN)
    for run in runs[1:]:
        if run.score_labels != runs[0].score_labels:
            raise ConfigError(
                f"{run.run_dir} segments {', '.join(run.score_labels)}, {runs[0].run_dir} "
                f"{', '.join(runs[0].score_labels)}. Reports join runs of one task."
            )
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html.j2").render(**_content(runs))
    write_text(to, page)
    return to


def _content(runs: Sequence[ReadRun]) -> dict[str, Any]:
    run, label = runs[0], runs[0].main_label
    queue = review_queue(run)
    differences = numbers.comparisons(run)
    test_cases = cases.case_score_table(run)
    return {
        "begin": Markup(BEGIN),
        "style": Markup((HERE / "style.css").read_text(encoding="utf-8")),
        "script": Markup((HERE / "sort.js").read_text(encoding="utf-8")),
        "version": atso_monai.__version__,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "run": run,
        "others": [other.name for other in runs[1:]],
        "strategy": NAMES[run.outcome.strategy],
        "state": facts.state(run),
        "warning": facts.empty_labels(queue),
        "tiles": tiles(run),
        "sentences": numbers.headline(run, differences),
        "outcomes": numbers.outcome_table(run, differences) if any(r["metric"] == "dsc" for r in run.rows) else None,
        "distances": distances.distance_table(run),
        "runs": numbers.runs_table(runs) if len(runs) > 1 else None,
        "curves": [figures.over_generations(runs, which, label) for which in SETS],
        "generations": numbers.generation_tables(run),
        "distributions": [figures.distribution(run, which, label) for which in SETS],
        "trust": [figures.agreement_against_dsc(run, label), figures.change(run, label)],
        "suspects": cases.suspects_table(queue),
        "galleries": _galleries(run, queue),
        "colours": legend_words(run.classes),
        "classes": class_legend(run.classes),
        "case_tables": [
            cases.reference_table(run, queue),
            *([test_cases] if test_cases else []),
            *distances.case_distance_tables(run),
        ],
        "facts": facts.facts(run),
        "time": [facts.hours_by_kind(run), facts.hours_table(run)],
    }


def _galleries(run: ReadRun, queue: Sequence[Suspect]) -> list[tuple[str, list[Any]]]:
    """Pictures by heading; a heading without pictures is left out."""
    found = [
        ("Look at these first", list(cases.suspect_pictures(run, queue))),
        ("Test set: best, median, worst", list(cases.ranked_pictures(run, TEST))),
        ("Pseudo labels: best, median, worst", list(cases.ranked_pictures(run, REFERENCE))),
    ]
    return [(title, pictures) for title, pictures in found if pictures]
