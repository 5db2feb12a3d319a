"""Each command parses its arguments and makes one call; the engine itself is not run here."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import atso_monai
from atso_monai.cli import settings
from atso_monai.cli.main import COMMANDS, main
from atso_monai.cohort import Cohort
from atso_monai.engine import Engine
from atso_monai.errors import AtsoError, StepFailedError


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """``main`` quietens loggers for its process."""
    names = ("monai", "monai.bundle.workflows", "ignite")
    before = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, before, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """Engines that were told to run."""
    started: list[Engine] = []

    def run(self: Engine) -> None:
        started.append(self)

    monkeypatch.setattr(Engine, "run", run)
    monkeypatch.setattr("atso_monai.engine.run.print_run", lambda run: None)
    return started


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is shown for a command line that is refused with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return shown


HIPPOCAMPUS = ("--bundle", "msd_hippocampus")


def test_run(runs: list[Engine], dataset_dir: Path, tmp_path: Path) -> None:
    words = [
        "run", *HIPPOCAMPUS, "--dataset_dir", str(dataset_dir), "--output-dir", str(tmp_path / "r #1"), "--generations",
        "3", "--compare=[stso]", "--epochs::later", "7", "--labelled", "2", "--seed", "-1", "--views", "[axial]",
        "--reference", "4", "--test", "2",
    ]  # fmt: skip
    assert main(words) == 0
    (engine,) = runs
    assert engine.run_dir == tmp_path / "r #1"
    scheme = engine.scheme
    assert (scheme.generations, scheme.compare, scheme.views) == (3, ("stso",), ("axial",))
    assert (scheme.first_epochs, scheme.later_epochs) == (12, 7)
    assert len(engine.cohort.labelled) == 2
    assert not (tmp_path / "r #1").exists()


def test_run_with_an_overlay(runs: list[Engine], dataset_dir: Path) -> None:
    main(
        [
            "run",
            *HIPPOCAMPUS,
            "--overlay",
            "regime_a",
            "--dataset_dir",
            str(dataset_dir),
            "--reference",
            "3",
            "--test=2",
        ]
    )
    assert runs[0].scheme.views == ("sagittal",)
    assert runs[0].cohort.labels == {0: "background", 1: "hippocampus"}


def test_own_folders_come_in_pairs(dataset_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--images", str(dataset_dir / "images # 50%"), "--labels", str(dataset_dir / "labels # 50%")]
    shown = refused(capsys, "run", *HIPPOCAMPUS, *words[:2])
    assert "--images needs --labels" in shown
    assert "--labels needs --images" in refused(capsys, "run", *HIPPOCAMPUS, *words[2:])


def test_plan(dataset_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dataset_dir", str(dataset_dir), "--output_dir", str(tmp_path / "r"), "--reference", "4", "--test", "2"]
    assert main(["plan", *HIPPOCAMPUS, *words, "--generations", "1"]) == 0
    shown = capsys.readouterr().out
    assert "model/g1/f2/axial" in shown
    assert "steps, still to do: " in shown
    assert not (tmp_path / "r").exists()


def test_plan_names_settings_of_the_run_that_differ(
    dataset_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from atso_monai.engine.identity import identity
    from atso_monai.files import write_json

    words = ["--dataset_dir", str(dataset_dir), "--output_dir", str(tmp_path), "--reference", "4", "--test", "2"]
    engine = settings.workflow(*parsed([*HIPPOCAMPUS, *words])).engine
    write_json(tmp_path / "run.json", {"settings": identity(engine.scheme, engine.cohort, engine.check())})
    write_json(tmp_path / "model" / "result.json", {})
    before = sorted(tmp_path.rglob("*"))
    assert main(["plan", *HIPPOCAMPUS, *words]) == 0
    shown = refused(capsys, "plan", *HIPPOCAMPUS, *words, "--seed", "5", "--split_seed", "0")
    assert "  seed: was 0, now 5\n" in shown
    assert sorted(tmp_path.rglob("*")) == before


def parsed(words: list[str]) -> tuple[Any, list[str]]:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    return parser.parse_known_args(words)


def test_status(tmp_path: Path, capsys: pytest.CaptureFixture[str], scheme: Any) -> None:
    from dataclasses import asdict

    from atso_monai.files import write_json

    assert "holds no run" in refused(capsys, "status", str(tmp_path))
    write_json(tmp_path / "run.json", {"plan": asdict(scheme()), "settings": {}})
    assert main(["status", str(tmp_path)]) == 0
    assert "0 of " in capsys.readouterr().out


def test_the_help_says_what_the_words_mean(capsys: pytest.CaptureFixture[str]) -> None:
    from atso_monai.engine.scheme import STRATEGIES

    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for word in (*STRATEGIES, "reference fold", "generation", "pseudo label", "snapshot", "step"):
        assert f"\n  {word} " in shown or f"\n    {word} " in shown, word
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "atso --help" in capsys.readouterr().out


def test_export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[Any] = []

    class Exported:
        cases = (1, 2)

    def export(*arguments: Any, **options: Any) -> Exported:
        calls.append((arguments, options))
        return Exported()

    monkeypatch.setattr("atso_monai.review.export.export", export)
    assert main(["export", "runs/a #1", "--to", "out b", "--format", "slicer", "--copy-images"]) == 0
    assert main(["export", "runs/a #1", "--to", "out c", "--format", "nifti"]) == 0
    assert calls == [
        ((Path("runs/a #1"), Path("out b"), "slicer"), {"copy_images": True}),
        ((Path("runs/a #1"), Path("out c"), "nifti"), {"copy_images": False}),
    ]
    shown = capsys.readouterr().out
    assert shown == "2 cases in out b\nopen with   Slicer --python-script 'out b/open_in_slicer.py'\n2 cases in out c\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--generation", "3"], "no option --generation. Did you mean 'generations'"),
        (["run", "--epochs::frist", "3"], "Did you mean 'epochs::first'"),
        (["run", "--label", "2"], "no option --label. Did you mean 'labels'"),
        (["run", "--overlays", "regime_a"], "overlay"),
        (["run", "--strategy", "atos"], "Did you mean 'atso'"),
        (["run", "--views", "[axail]"], "Did you mean 'axial'"),
        (["run", "--views", "axial"], "views must be a list"),
        (["run", "--epochs", "[3]"], "epochs must map names to values"),
        (["run", "--seed", "abc"], "seed must be a whole number"),
        (["run", "--compare", "stso"], "compare must be a list"),
        (["run", "--workers", "0"], "workers must be a whole number of at least 1"),
        (["run", "--overlay", "regime_b"], "has no overlay 'regime_b'"),
        (["run", "stray"], "Received 'stray'"),
        (["run", "--seed"], "--seed needs a value"),
        (["plan", "--folds", "1"], "folds must be"),
        (["run", "--labelled", "99"], "labelled=99"),
    ],
)
def test_bad_input(
    words: list[str], message: str, dataset_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = [*HIPPOCAMPUS, "--dataset_dir", str(dataset_dir), "--output_dir", str(tmp_path / "r")]
    rest += ["--reference", "4", "--test", "2"]
    assert message in refused(capsys, words[0], *rest, *words[1:])
    assert not (tmp_path / "r").exists()


def test_unknown_bundles_commands_and_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Did you mean 'msd_hippocampus'" in refused(capsys, "run", "--bundle", "msd_hipocampus")
    assert "invalid choice: 'rum'" in refused(capsys, "rum")
    assert "unrecognized arguments: --seed 3" in refused(capsys, "status", str(tmp_path), "--seed", "3")
    assert "the following arguments are required: --to" in refused(capsys, "predict", "a", "b")


def test_errors_have_their_exit_codes(
    monkeypatch: pytest.MonkeyPatch, dataset_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: list[tuple[BaseException, int, str]] = [
        (AtsoError("bad input"), 2, "error: bad input"),
        (StepFailedError("model/g0/axial", "no memory", Path("log.txt")), 1, "Its log: log.txt"),
        (KeyboardInterrupt(), 130, "Run the same command again"),
    ]
    for error, code, message in cases:

        def run(self: Engine, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(Engine, "run", run)
        with pytest.raises(SystemExit) as caught:
            main(["run", *HIPPOCAMPUS, "--dataset_dir", str(dataset_dir)])
        assert caught.value.code == code
        shown = capsys.readouterr().err
        assert message in shown
        assert "Traceback" not in shown


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version"], ["--help"], *([command.__name__.rsplit(".", 1)[1], "--help"] for command in COMMANDS)):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert atso_monai.__version__ in shown
    for command in COMMANDS:
        assert command.HELP in shown


def test_a_cohort_file_takes_the_place_of_the_data_set(
    runs: list[Engine], cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cohort.save(tmp_path / "cöhort #1 $x.json")
    assert main(["run", *HIPPOCAMPUS, "--cohort", str(file), "--output_dir", str(tmp_path / "r")]) == 0
    assert runs[0].cohort == cohort
    for words in (["--labelled", "3"], ["--dataset_dir", "x"], ["--images", "x"]):
        assert f"{words[0]} and --cohort exclude" in refused(
            capsys, "run", *HIPPOCAMPUS, "--cohort", str(file), "--output_dir", "r", *words
        )
    assert "no cohort file" in refused(capsys, "run", *HIPPOCAMPUS, "--cohort", "nowhere.json", "--output_dir", "r")
