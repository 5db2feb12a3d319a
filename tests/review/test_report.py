from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import nibabel as nib
import numpy as np
import pytest

from atso_monai.cohort import Cohort
from atso_monai.errors import ConfigError
from atso_monai.review.outcomes import final_scores
from atso_monai.review.own_file import OutputExistsError
from atso_monai.review.read_run import ReadRun, read_run
from atso_monai.review.report import cases, write_report
from atso_monai.review.report.figures import over_generations
from atso_monai.review.report.numbers import runs_table
from atso_monai.review.report.tiles import tiles

Make = Callable[..., ReadRun]
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects what tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(runs: list[ReadRun], to: Path) -> Page:
    return Page(write_report(runs, to).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(run: ReadRun, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of([run], tmp_path_factory.mktemp("page") / "report.html")


def test_it_needs_nothing_but_itself(page: Page) -> None:
    for tag, attributes in page.seen:
        for name in ("src", "href", "srcset", "data", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)


def test_it_says_what_was_run(page: Page, run: ReadRun) -> None:
    for words in (
        run.cohort.fingerprint,
        "3 labelled",
        "4 reference",
        "Split fingerprint",
        "monai 1.6.1",
        "torch 2",
        "not finished",
    ):
        assert (words in page.text) == (words != "not finished"), words
    hours = sum(result.seconds for result in run.results.values()) / 3600
    assert f"{hours:.0f} h" in page.text or f"{60 * hours:.0f} min" in page.text


def test_awkward_names_are_words_not_tags(page: Page, run: ReadRun) -> None:
    assert run.name == "Läuf #1 <b>"
    assert "Läuf #1 <b>" in page.text
    for case in run.cohort.reference:
        assert case.id in page.text


def test_every_strategy_label_and_number_is_there(page: Page, run: ReadRun) -> None:
    for words in ("ATSO", "Supervised", "STSO", "Oracle", "foreground", "front", "back", "M(f1)@f2", "n = 3"):
        assert words in page.text.replace("\xa0", " "), words
    rows = [r for r in run.rows if (r["set"], r["generation"], r["label"]) == ("test", "final", "foreground")]
    for row in rows:
        value = float(row["value"])
        shown = f"{value:.2f}" if row["metric"] in ("hd95", "assd") else f"{100 * value:.1f}"
        assert shown in page.text, row


def test_the_first_numbers_name_every_class(run: ReadRun, page: Page) -> None:
    found = {tile.name: tile for tile in tiles(run)}
    for name in ("Test DSC", "Pseudo-label DSC", "Fold models agree"):
        assert [label for label, _ in found[name].classes] == ["front", "back"]
        assert "whole foreground" in found[name].detail
    front = fmean(final_scores(run, run.outcome, "test", "front").values())
    assert found["Test DSC"].classes[0][1] == f"{100 * front:.1f}"
    one = replace(run, cohort=replace(run.cohort, labels={0: "background", 1: "front"}))
    assert all(tile.classes == () for tile in tiles(one))
    assert "nan" not in page.text.split()
    assert "nan to" not in page.text


def test_pictures_and_charts_speak(page: Page) -> None:
    images = page.all("img")
    assert len(images) >= 3 * 2 * (4 + 2 + 2)  # two classes: truth above prediction
    assert all("axial" in i["alt"] or "coronal" in i["alt"] or "sagittal" in i["alt"] for i in images if i["alt"])
    assert all(i["alt"] and i["src"] and i["src"].startswith("data:image/jpeg;base64,") for i in images)
    charts = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(charts) == 6
    names = {a["id"] for _, a in page.seen if "id" in a}
    for chart in charts:
        assert chart["aria-labelledby"] is not None
        assert set(chart["aria-labelledby"].split()) <= names
    for words in ("DSC on the test set, %", "generation", "Dice of the fold models with each other, %"):
        assert words in page.text


def test_without_any_truth_it_says_what_cannot_be_known(make_run: Make, bare_cohort: Cohort, tmp_path: Path) -> None:
    page = page_of([make_run(tmp_path / "run", bare_cohort, compare=("stso",))], tmp_path / "r.html")
    for words in (
        "not known",
        "There are no test cases",
        "No truth is known for the 4 reference cases",
        "Agreement of the fold models",
        "truth not known",
        "Each class in its own colour",
    ):
        assert words in page.text or any(words in str(i["alt"]) for i in page.all("img")), words
    assert len(page.all("img")) == 12
    assert "What can be said" not in page.text


@pytest.mark.parametrize("done", [(), ("0",), ("0", "1")])
def test_an_unfinished_run_says_so(make_run: Make, tmp_path: Path, done: tuple[str, ...]) -> None:
    run = make_run(tmp_path / "run", done=lambda step: step.generation in done)
    page = page_of([run], tmp_path / "r.html")
    assert f"This run is not finished: {len(run.results)} of {len(run.plan.steps)} steps are done" in page.text


@pytest.mark.parametrize("strategy", ["stso", "supervised", "oracle", "supervised_matched", "self_learning"])
def test_every_strategy_alone(make_run: Make, tmp_path: Path, strategy: str) -> None:
    page = page_of([make_run(tmp_path / "run", strategy=strategy, compare=())], tmp_path / "r.html")
    assert "not known" not in page.text


def test_several_runs(run: ReadRun, own_run: ReadRun, tmp_path: Path) -> None:
    page = page_of([run, own_run], tmp_path / "r.html")
    assert "over runs" in page.text
    assert "Thin lines: single runs" in page.text
    other = replace(own_run, cohort=replace(own_run.cohort, labels={0: "b", 1: "liver"}))
    with pytest.raises(ConfigError, match="liver"):
        write_report([run, other], tmp_path / "x.html")


def test_differences_over_runs_are_paired(run: ReadRun, own_run: ReadRun, make_run: Make, tmp_path: Path) -> None:
    runs = [run, own_run, make_run(tmp_path / "stso first", strategy="stso", compare=("atso", "oracle"))]
    table = runs_table(runs)
    test = {row[1].words: row for row in table.rows if row[0].words == "test"}
    means = {
        name: [
            fmean(
                v
                for o in r.plan.outcomes
                if o.strategy == name
                for v in final_scores(r, o, "test", "foreground").values()
            )
            for r in runs
        ]
        for name in ("atso", "stso")
    }
    apart = [100 * (a - b) for a, b in zip(means["atso"], means["stso"], strict=True)]
    assert test["STSO"][-1].sort == pytest.approx(fmean(apart))
    assert test["Supervised"][-2].words.startswith(f"{100 * fmean(_supervised(runs)):.1f}")
    assert len(test["ATSO"]) == len(table.head) == 2 + 3 + 2


def _supervised(runs: list[ReadRun]) -> list[float]:
    return [
        fmean(final_scores(r, o, "test", "foreground").values())
        for r in runs
        for o in r.plan.outcomes
        if o.strategy == "supervised"
    ]


def test_a_moved_run_without_its_scans(
    make_run: Make, make_cohort: Callable[..., Cohort], new_dataset: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", make_cohort(new_dataset))
    for case in run.cohort.reference:
        case.image.unlink()
    moved = read_run(shutil.move(run.run_dir, tmp_path / "moved"))
    page = page_of([moved], tmp_path / "r.html")
    assert "No picture" in page.text
    assert "there is no such file" in page.text


def test_pictures_do_not_grow_with_the_cases(run: ReadRun, monkeypatch: pytest.MonkeyPatch) -> None:
    from atso_monai.review.queue import review_queue

    many = review_queue(run) * 100
    monkeypatch.setattr(cases, "case_picture", lambda *arguments: arguments[2])
    assert len(list(cases.suspect_pictures(run, many))) == cases.SUSPECTS_SHOWN
    assert len(cases.suspects_table(many).rows) == cases.SUSPECTS_LISTED


def test_a_mean_over_runs_is_drawn_where_all_have_a_value(run: ReadRun, make_run: Make, tmp_path: Path) -> None:
    shorter = make_run(tmp_path / "short", generations=1)
    words = "".join(ET.fromstring(over_generations([run, shorter], "reference", "front").chart).itertext())
    assert "generation 1" in words
    assert "generation 2" not in words
    assert "mean of 2 runs" in words


def test_empty_labels_are_warned_of(own_run: ReadRun, tmp_path: Path) -> None:
    file = own_run.run_dir / "labels" / "final" / "f1" / f"{own_run.cohort.fold(0)[0].id}.nii.gz"
    image = nib.load(file)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), file)
    assert "1 of 4 pseudo labels lack a structure" in page_of([own_run], tmp_path / "r.html").text


def test_only_reports_are_written_over(run: ReadRun, tmp_path: Path) -> None:
    to = tmp_path / "r.html"
    write_report([run], to)
    write_report([run], to)
    to.write_text("<!DOCTYPE html>\n<p>mine</p>")
    with pytest.raises(OutputExistsError, match="Will not write over"):
        write_report([run], to)
    assert "mine" in to.read_text()
