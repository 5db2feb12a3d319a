from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine

from atso_monai.handlers import FiniteLoss


def run(outputs: list[object]) -> int:
    engine = Engine(lambda _, output: output)
    FiniteLoss().attach(engine)
    engine.run(outputs, max_epochs=1)
    return engine.state.iteration


@pytest.mark.parametrize("as_list", [True, False])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), torch.tensor(float("-inf")), torch.tensor([1, torch.nan])]
)
def test_a_loss_that_is_no_number_stops_the_training(value: object, as_list: bool) -> None:
    outputs: list[object] = [{"loss": one} for one in (1.0, 0.5, torch.as_tensor(value).flatten()[-1], 0.1)]
    with pytest.raises(FloatingPointError, match=r"The loss is -?(nan|inf) at iteration 3\. Lower the learning rate"):
        run([[one] for one in outputs] if as_list else outputs)


def test_finite_losses_and_other_outputs_pass() -> None:
    assert run([{"loss": 1.0}, {"loss": torch.tensor(2.0)}, [{"loss": 1}], [], {}, {"loss": None}, 3.0]) == 7
