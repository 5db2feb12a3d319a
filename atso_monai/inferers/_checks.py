"""What every inferer of whole volumes asks of its input."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from atso_monai.views import VIEWS


def check_volume(inputs: torch.Tensor, who: str) -> None:
    """Raise ValueError unless ``inputs`` is one volume (1, 1, X, Y, Z) with voxels."""
    if inputs.ndim != 5 or inputs.shape[:2] != (1, 1) or 0 in inputs.shape:
        raise ValueError(f"{who} needs one volume of shape (1, 1, X, Y, Z). Received: {tuple(inputs.shape)}.")


def check_views(network: Mapping[str, torch.nn.Module], who: str) -> None:
    """Raise ValueError unless ``network`` maps names of views to networks, at least one."""
    unknown = [view for view in network if view not in VIEWS]
    if unknown:
        raise ValueError(f"Views must be of {list(VIEWS)}. Received: {unknown}.")
    if not len(network):
        raise ValueError(f"{who} needs at least one view. Received: none.")
