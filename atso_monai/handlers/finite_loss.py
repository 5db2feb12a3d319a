"""A training whose loss is no number any more has failed, and says so."""

from __future__ import annotations

import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys


class FiniteLoss:
    """Raises as soon as the loss is NaN or infinite, since the weights after it are worth nothing.

    Raises:
        FloatingPointError: names the iteration and the value.
    """

    def attach(self, engine: Engine) -> None:
        """Register on every iteration."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Check the loss of the iteration that ended."""
        output = engine.state.output
        first = output[0] if isinstance(output, list) and output else output
        loss = first.get(CommonKeys.LOSS) if isinstance(first, dict) else None
        if loss is not None and not torch.isfinite(loss := torch.as_tensor(loss).detach()).all():
            raise FloatingPointError(
                f"The loss is {float(loss)} at iteration {engine.state.iteration}. "
                "Lower the learning rate, or look for images with extreme values."
            )
