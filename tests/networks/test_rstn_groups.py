from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from monai.networks.nets import BasicUNet

from atso_monai.networks import RSTN, FCN8s, rstn_parameter_groups

SMALL: dict[str, Any] = {"channels": [2, 3, 4, 5, 6], "hidden": 7}


def test_the_groups_are_those_of_the_release() -> None:
    model = RSTN(FCN8s(**SMALL), FCN8s(**SMALL))
    groups = rstn_parameter_groups(model, lr=1e-5, weight_decay=5e-4)
    assert [group["lr"] for group in groups] == pytest.approx([1e-5, 2e-5, 1e-4, 2e-4])
    assert [group["weight_decay"] for group in groups] == [5e-4, 0, 5e-4, 0]
    names = {id(value): name for name, value in model.named_parameters()}
    for group, coarse, part in zip(groups, (True, True, False, False), ("weight", "bias") * 2, strict=True):
        own = [names[id(value)] for value in group["params"]]
        assert all(name.startswith("coarse_model.") == coarse and name.endswith(part) for name in own)
        assert len(own) == 18 if coarse else 20
    torch.optim.SGD(groups, lr=1e-5, momentum=0.99)
    wrapped = rstn_parameter_groups(torch.nn.DataParallel(model))
    assert [len(group["params"]) for group in wrapped] == [len(group["params"]) for group in groups]


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_any_network_is_trained_whole_but_for_the_bilinear_kernels(optimiser: Any) -> None:
    model = RSTN(FCN8s(**SMALL), BasicUNet(2, 3, 3, features=(4, 4, 4, 8, 8, 4)))
    groups = rstn_parameter_groups(model, lr=1e-3, fine_factor=1)
    assert [group["lr"] for group in optimiser(groups).param_groups] == pytest.approx([1e-3, 2e-3, 1e-3, 2e-3])
    grouped = Counter(id(value) for group in groups for value in group["params"])
    assert grouped == Counter(id(v) for n, v in model.named_parameters() if "upscore" not in n)
