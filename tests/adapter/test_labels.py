from __future__ import annotations

from typing import Any

import pytest
import torch

from atso_monai.adapter.labels import refuse_changed_labels
from atso_monai.errors import ConfigError


def item(*values: float, channels: int = 1) -> dict[str, Any]:
    return {"image": torch.zeros(1, 2), "label": torch.tensor(values).repeat(channels, 1)}


@pytest.mark.parametrize(
    "found",
    [
        item(0, 1, 3),
        item(3, 3),  # a crop without the others
        [item(0, 1), item(3)],
        item(-1, 0, 255, 3),  # padded with what the loss leaves out
        item(0, 1, channels=4),  # one-hot
        item(1e-16, 3.0001),
        {"image": torch.zeros(1, 2)},
        {"image": torch.zeros(1, 2), "label": "label.nii.gz", "seg": torch.zeros(1, 2)},
    ],
)
def test_labels_of_the_file(found: Any) -> None:
    refuse_changed_labels(found, "label", [1, 3], "b")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (item(0, 2), "make 2 of its"),  # renumbered
        (item(0, 0.5, 1), "make 0.5 of its"),  # scaled, or blended
        ([item(0, 1), item(0, 0.9999)], "make 0.9999 of its"),  # which becomes 0
        (item(0, 2, channels=2), "make 2 of its"),
    ],
)
def test_other_labels_than_the_files(found: Any, shown: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)transforms of b {shown} label, which has the classes 0, 1, 3\. "):
        refuse_changed_labels(found, "label", [1, 3], "b")
