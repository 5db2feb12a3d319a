from __future__ import annotations

import pytest

from atso_monai.errors import ConfigError
from atso_monai.views import VIEWS, view_axis


def test_names_and_numbers() -> None:
    assert [view_axis(view) for view in VIEWS] == [view_axis(n) for n in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("view", ["axal", 3, -1, "2", None, True])
def test_anything_else(view: object) -> None:
    with pytest.raises(ConfigError, match="view must be one of sagittal, coronal, axial"):
        view_axis(view)  # type: ignore[arg-type]


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'axial'"):
        view_axis("axal")
