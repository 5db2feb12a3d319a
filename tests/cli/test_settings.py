from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from atso_monai.bundle import find_bundle
from atso_monai.cli.settings import add_arguments, pairs, workflow
from atso_monai.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["--generations", "3"], {"generations": 3}),
        (["--seed=-1", "--compare=[stso, oracle]"], {"seed": -1, "compare": ["stso", "oracle"]}),
        (["--seed", "-1"], {"seed": -1}),
        (["--epochs", "{first: 1, later: 2}"], {"epochs": {"first": 1, "later": 2}}),
        (["--epochs::first", "3"], {"epochs::first": 3}),
        (["--cache-dir", "a b"], {"cache_dir": Path("a b")}),
        (["--output_dir", "$x: #1 100%"], {"output_dir": Path("$x: #1 100%")}),
        (["--dataset_dir=a=b"], {"dataset_dir": Path("a=b")}),
        (["--devices", "null", "--diagnostics", "false"], {"devices": None, "diagnostics": False}),
        (["--strategy", "stso"], {"strategy": "stso"}),
        (["--seed", "1", "--seed", "2"], {"seed": 2}),
    ],
)
def test_words_to_values(words: list[str], found: dict[str, Any]) -> None:
    assert pairs(words) == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["3"], "Received '3', which belongs to no option"),
        (["--seed", "1", "2"], "Received '2'"),
        (["--seed"], "--seed needs a value"),
        (["--seed", "--workers", "2"], "--seed needs a value"),
        (["--compare", "[stso"], "is not a value in YAML"),
    ],
)
def test_words_that_say_nothing(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pairs(words)


def asked(words: list[str]) -> Any:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments, rest = parser.parse_known_args(words)
    return workflow(arguments, rest).parser


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    (tmp_path / "bundle #1" / "configs").mkdir(parents=True)
    return tmp_path / "bundle #1"


def test_bundles_of_other_people_take_the_place_of_the_one_that_describes_the_run(
    foreign: Path, tmp_path: Path
) -> None:
    words = ["--train-bundle", str(foreign), "--infer-bundle", str(foreign), "--mapping", str(tmp_path / "m #1.yaml")]
    found = asked([*words, "--bundle", "msd_hippocampus"])
    assert found.get("bundle_root") == found.get("infer_bundle") == foreign
    assert found.get("mapping") == tmp_path / "m #1.yaml"
    assert "msd_cohort" in found.get("cohort")["_target_"]
    assert asked(["--bundle", str(foreign)]).get("bundle_root") == foreign
    assert asked([]).get("bundle_root") == find_bundle("phantom_pancreas")
    assert asked([]).get("infer_bundle") is None


def test_a_bundle_that_predicts_needs_one_that_trains(foreign: Path) -> None:
    with pytest.raises(ConfigError, match="--infer-bundle needs --train-bundle"):
        asked(["--infer-bundle", str(foreign)])
