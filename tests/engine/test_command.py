from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from atso_monai.bundle import find_bundle
from atso_monai.cohort import Cohort
from atso_monai.engine import Engine
from atso_monai.engine.command import clean_exit, refuse_unknown_arguments, under_monai
from atso_monai.errors import AtsoError, ConfigError, StepFailedError
from atso_monai.stopping import StopSignal

MONAI = "/venv/lib/site-packages/monai/bundle/__main__.py"
CONFIGS = find_bundle("msd_hippocampus") / "configs"


@pytest.mark.parametrize(
    ("error", "code"), [(AtsoError("the message"), 2), (StepFailedError("g0", "the message", Path("log")), 1)]
)
def test_our_errors_are_shown_without_traceback(
    error: AtsoError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise error
    assert caught.value.code == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "the message" in shown.err
    assert "Traceback" not in shown.err


def test_an_error_of_ours_that_monai_wrapped_is_shown_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, clean_exit():
        try:
            raise ConfigError("the message")
        except ConfigError as error:
            raise RuntimeError("Failed to instantiate") from error
    assert caught.value.code == 2
    assert "error: the message" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_other_errors_are_for_programmers() -> None:
    with pytest.raises(ZeroDivisionError), clean_exit():
        raise ZeroDivisionError


def test_a_setting_that_no_engine_can_have_is_one_message_under_monai(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MONAI makes the engine, long before it is run."""
    with pytest.raises(ConfigError, match="overrides must map names"):
        Engine("msd_hippocampus", Cohort("x", {0: "background"}), "run", overrides="batch_size")
    monkeypatch.setattr(sys, "argv", [MONAI, "run"])
    parser = ConfigParser({"engine": {"_target_": "atso_monai.engine.Engine", "overrides": "batch_size"}})
    parser["engine"] |= {"bundle": "msd_hippocampus", "cohort": None, "output_dir": "run"}
    with pytest.raises(SystemExit) as caught:
        parser.get_parsed_content("engine")
    assert caught.value.code == 2
    assert "error: overrides must map names to values" in capsys.readouterr().err


def test_under_monai() -> None:
    assert under_monai([MONAI, "run"])
    assert not under_monai(["/venv/bin/atso", "run"])
    assert not under_monai(["-c"])


def check(*words: str) -> None:
    refuse_unknown_arguments([MONAI, "run", *words])


@pytest.mark.parametrize(
    "words",
    [
        ["--config_file", str(CONFIGS / "atso.yaml"), "--output_dir", "x", "--epochs::first", "3", "--seed=-1"],
        [
            "--config_file",
            str([str(CONFIGS / "atso.yaml"), str(CONFIGS / "atso_regime_a.yaml")]),
            "--views",
            "['axial']",
        ],
        [f"--config_file={CONFIGS / 'atso.yaml'}", "--run_id", "run", "--logging_file", "False", "--epochs#later", "2"],
        [],
    ],
)
def test_known_arguments_pass(words: list[str]) -> None:
    check(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--generation", "3"], "has no id 'generation'. Did you mean 'generations'"),
        (["--epochs::frist=3"], "Did you mean 'epochs::first'"),
        (["--output-dir", "x"], "Did you mean 'output_dir'"),
    ],
)
def test_misspelt_arguments_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check("--config_file", str(CONFIGS / "atso.yaml"), *words)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_stop_is_told_with_the_way_to_go_on(
    signum: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left, clean_exit():
        raise StopSignal(signum)
    assert left.value.code == code
    said = f"stopped by {signum.name}. Run the same command again to continue (exit code {code})."
    assert said in capsys.readouterr().err


def test_other_programs_are_left_alone() -> None:
    refuse_unknown_arguments([sys.argv[0], "--config_file", "nowhere.yaml", "--nonsense", "1"])
