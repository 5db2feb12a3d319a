from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atso_monai.cli.settings import pairs
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
