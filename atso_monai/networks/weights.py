"""Weights in: one function for every checkpoint, strict and safe."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch

from atso_monai.errors import CheckpointError

Network = TypeVar("Network", bound=torch.nn.Module)


def load_weights(network: Network, path: str | Path | None, key: str = "model") -> Network:
    """Fill ``network`` from a checkpoint file and return it; with ``path`` None it is returned as it is.

    Args:
        network: the network to fill, in place.
        path: a file of ``torch.save``: a state dict, or a dict that holds one under ``key``.
        key: where the state dict lies.

    Raises:
        CheckpointError: when the file is missing, damaged, holds code, or does not fit the network exactly.
    """
    if path is None:
        return network
    return fill(network, read_state(Path(path), key), path)


def fill(network: Network, state: Mapping[str, torch.Tensor], path: str | Path) -> Network:
    """Fill ``network`` with the weights of a state dict, which must be its own, and return it.

    Args:
        network: the network to fill, in place.
        state: the weights by name.
        path: where they come from, for errors.

    Raises:
        CheckpointError: when they do not fit exactly, or are not finite.
    """
    own = network.state_dict()
    wrong = [f"  missing: {name}" for name in own if name not in state]
    wrong += [f"  unknown: {name}" for name in state if name not in own]
    wrong += [
        f"  {name}: {tuple(state[name].shape)} in the file, {tuple(own[name].shape)} in the network"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        shown = "\n".join(wrong[:8] + ([f"  ... and {len(wrong) - 8} more"] if len(wrong) > 8 else []))
        raise CheckpointError(
            f"{path} does not fit the network ({type(network).__name__}, {len(own)} tensors):\n{shown}\n"
            "Use the configuration that the checkpoint was trained with."
        )
    broken = [name for name, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(f"{path} holds weights that are NaN or infinite, first {broken[0]}. Train it again.")
    network.load_state_dict(state)
    return network


def read_state(path: Path, key: str = "model") -> Mapping[str, torch.Tensor]:
    """Read the state dict of a checkpoint file, plain or under ``key``, on the CPU and without running code.

    Raises:
        CheckpointError: when the file is missing, damaged, or holds anything else.
    """
    if not path.is_file():
        raise CheckpointError(
            f"There is no checkpoint {path}. Run from inside the bundle folder, or name the folder with --bundle_root."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a checkpoint that can be read safely: {str(error)[:200]}") from None
    state = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise CheckpointError(f"{path} holds no weights under {key!r}. Received: {type(state).__name__}.")
    return state


class ViewNetworks(torch.nn.ModuleDict):
    """One network per view, all of the same architecture.

    Args:
        network: the architecture; copied for each view.
        checkpoints: view name to checkpoint file.

    Raises:
        CheckpointError: see :func:`load_weights`.
    """

    def __init__(self, network: torch.nn.Module, checkpoints: Mapping[str, str | Path]) -> None:
        super().__init__({view: load_weights(copy.deepcopy(network), path) for view, path in checkpoints.items()})
