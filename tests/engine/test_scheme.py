from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from atso_monai.checkpoint import Interval
from atso_monai.engine import Scheme
from atso_monai.engine.scheme import checkpoint_interval
from atso_monai.errors import ConfigError


def test_fold_names_count_from_one(scheme: Callable[..., Scheme]) -> None:
    assert scheme(folds=3).fold_names == ("f1", "f2", "f3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "atzo"}, "Received: 'atzo'. Did you mean 'atso'"),
        ({"compare": ("orakle",)}, "Did you mean 'oracle'"),
        ({"start": "scrach"}, "start must be one of .* Did you mean 'scratch'"),
        ({"final_labels": "update"}, "Did you mean 'updated'"),
        ({"generations": 0}, "generations must be a whole number of at least 1. Received: 0"),
        ({"generations": True}, "generations must be"),
        ({"generations": 2.5}, "Received: 2.5"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"strategy": "stso", "compare": ("atso",), "folds": 1}, "folds must be"),
        ({"strategy": "stso", "folds": 0}, "folds must be"),
        ({"first_epochs": 0}, "epochs first"),
        ({"later_epochs": "4"}, "epochs later .* Received: '4'"),
        ({"views": ()}, "views must name"),
        ({"views": ("axial", "axial")}, "views must name each view once"),
        ({"views": ("axail",)}, "Did you mean 'axial'"),
        ({"start": "teacher", "folds": 3}, "needs one teacher per student"),
    ],
)
def test_what_no_plan_can_have(scheme: Callable[..., Scheme], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scheme(**changes)


def test_only_atso_needs_two_folds(scheme: Callable[..., Scheme]) -> None:
    for strategy in ("supervised", "self_learning", "stso", "oracle"):
        scheme(strategy=strategy, folds=1)
    scheme(strategy="stso", start="teacher", folds=3)


def test_the_interval_of_checkpoints() -> None:
    assert checkpoint_interval({}) == Interval(minutes=10, iterations=0)
    assert checkpoint_interval({"iterations": 500}) == Interval(minutes=0, iterations=500)
    assert checkpoint_interval({"minutes": 0.5, "iterations": 5}) == Interval(0.5, 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"minute": 5}, "Did you mean 'minutes'"), ({"minutes": 0}, "above 0. Received: 0"), ({"minutes": "5"}, "'5'")],
)
def test_no_interval_of_checkpoints(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checkpoint_interval(given)
