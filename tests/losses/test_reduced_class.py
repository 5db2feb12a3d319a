from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from atso_monai.losses import ReducedClassLoss, reduced_cross_entropy

GROUPS = [0, 2, 2, 1, 2]


def draw(seed: int = 0, top: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, 3, 4, generator=random, dtype=torch.float64) * 4
    target = torch.randint(0, top, (2, 3, 4), generator=random)
    target[0, 0, :2] = 255
    return logits, target


def brute_force(logits: torch.Tensor, target: torch.Tensor, weights: list[float] | None = None) -> float:
    total, share = 0.0, 0.0
    for n in range(2):
        for i in range(3):
            for j in range(4):
                label = int(target[n, i, j])
                if label == 255:
                    continue
                powers = [math.exp(float(v)) for v in logits[n, :, i, j]]
                members = [label] if label < 5 else [c for c in range(5) if GROUPS[c] == label - 5]
                weight = sum((weights or [1.0] * 5)[c] for c in members) / len(members)
                total -= weight * math.log(sum(powers[c] for c in members) / sum(powers))
                share += weight
    return total / share


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0, 0.125]])
def test_equals_a_brute_force_sum(weights: list[float] | None) -> None:
    logits, target = draw()
    loss = ReducedClassLoss(GROUPS, weight=weights)(logits, target[:, None])
    assert float(loss) == pytest.approx(brute_force(logits, target, weights), rel=1e-8)


def test_equals_cross_entropy_where_labels_are_classes() -> None:
    logits, target = draw(1, top=5)
    logits.requires_grad_()
    ours = reduced_cross_entropy(logits, target, GROUPS)
    theirs = F.cross_entropy(logits, target, ignore_index=255)
    assert torch.allclose(ours.double(), theirs, rtol=1e-6)
    gradients = torch.autograd.grad(ours, logits)[0], torch.autograd.grad(theirs, logits)[0]
    assert torch.allclose(*gradients, atol=1e-7)


def test_groups_of_one_class_are_that_class() -> None:
    logits, target = draw(2, top=5)
    moved = torch.where(target == 255, target, target + 5)
    assert torch.allclose(
        reduced_cross_entropy(logits, moved, range(5)), reduced_cross_entropy(logits, target, range(5))
    )


def test_gradient_is_that_of_the_function() -> None:
    logits, target = draw(3)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: reduced_cross_entropy(x, target, GROUPS), (logits,))


def test_very_unlikely_groups_keep_a_finite_loss_and_gradient() -> None:
    logits = torch.tensor([[0.0, -300.0, -310.0, 0.0, -400.0]])[:, :, None].requires_grad_()
    loss = reduced_cross_entropy(logits, torch.tensor([[7]]), GROUPS)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(300.0 + math.log(2), rel=1e-5)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    assert float(logits.grad[0, 1, 0]) == pytest.approx(-1.0, abs=1e-3)


def test_nothing_but_ignored_pixels_costs_nothing() -> None:
    logits = torch.randn(1, 5, 2, 2, requires_grad=True)
    loss = reduced_cross_entropy(logits, torch.full((1, 2, 2), 255), GROUPS)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None and not logits.grad.any()


def test_ignored_pixels_get_no_gradient() -> None:
    logits, target = draw()
    logits = logits.float().requires_grad_()
    reduced_cross_entropy(logits, target, GROUPS).backward()
    assert logits.grad is not None
    assert not logits.grad[0, :, 0, :2].any() and logits.grad[1].abs().sum(0).all()


def test_what_does_not_fit_is_refused() -> None:
    logits, target = draw()
    with pytest.raises(ValueError, match="group 0, 1, 2"):
        ReducedClassLoss([0, 2, 2])
    with pytest.raises(ValueError, match="each of 5 classes"):
        reduced_cross_entropy(logits, target, [0, 1])
    with pytest.raises(ValueError, match=r"Received: \[8\]"):
        reduced_cross_entropy(logits, torch.full_like(target, 8), GROUPS)
    with pytest.raises(ValueError, match="pixels of logits"):
        reduced_cross_entropy(logits, target[:1], GROUPS)


@pytest.mark.parametrize("weight", [[], [1.0], [1.0, 2.0, 3.0, 4.0]])
def test_a_weight_for_each_class(weight: list[float]) -> None:
    with pytest.raises(ValueError, match="one number for each of 3 classes"):
        ReducedClassLoss(groups=[0, 0, 1], weight=weight)
