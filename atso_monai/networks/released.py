"""The network of the RSTN release, and the files that others trained: RSTN, FCN-8s and VGG-16 checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from atso_monai.errors import CheckpointError
from atso_monai.networks.fcn8s import FCN8s
from atso_monai.networks.rstn import RSTN
from atso_monai.networks.weights import read_state

State = Mapping[str, torch.Tensor]

VGG16_FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


class Unmatched(NamedTuple):
    """What :func:`load_released` left alone, sorted: weights of the file, and weights of the network."""

    file: tuple[str, ...]
    network: tuple[str, ...]


def released_rstn(channels: int = 3, padding: str = "caffe", margin: int = 20) -> RSTN:
    """The RSTN of the release: two FCN-8s of full size, 268 million weights, 1.1 GB.

    Args:
        channels: number of adjacent slices.
        padding: ``caffe`` reproduces the released networks; ``same`` is faster, see :class:`FCN8s`.
        margin: pixels around the box.
    """
    coarse, fine = (FCN8s(channels, channels, padding=padding) for _ in range(2))
    return RSTN(coarse, fine, channels=channels, margin=margin)


def load_released(model: nn.Module, path: str | Path) -> Unmatched:
    """Fill a network in place from a file that another project trained, and tell what was not matched.

    The kind of the file is seen from its names. ``module.`` in front of them is left out.

    - OrganSegRSTN: ``coarse_model.*``, ``saliency1.*``, ``saliency2.*``, ``fine_model.*``. It must fit whole.
    - FCN-8s (of 21 classes, say): ``conv1_1.*`` ... ``fc7.*`` go to every FCN8s in ``model``, that is to the coarse and
      to the fine network; layers with ``score`` in their names keep what they have.
    - VGG-16 of torchvision, without batch normalisation: ``features.N.*`` and ``classifier.0`` and ``.3``, likewise.

    Args:
        model: an RSTN, or for the last two an FCN8s, or any network that holds some.
        path: file of ``torch.save`` with a state dict, or one under ``model``; read with ``weights_only=True``.

    Raises:
        CheckpointError: when the file is missing, damaged, holds code, NaN or infinite weights, is of none of these
            kinds, or does not fit ``model``. Nothing is filled then.
    """
    state = {name.removeprefix("module."): value for name, value in read_state(Path(path)).items()}
    own = model.state_dict()
    if any(name.startswith("coarse_model.") for name in state):
        pairs = {name: name for name in own}
    else:
        pairs = _fcn8s_pairs(path, model, vgg16=any(name.startswith("features.") for name in state))
    left = sorted(set(state) - set(pairs.values()))
    _check(path, model, state, pairs, left)
    for name, source in pairs.items():
        own[name].copy_(state[source].reshape(own[name].shape))
    return Unmatched(tuple(left), tuple(sorted(set(own) - set(pairs))))


def _fcn8s_pairs(path: str | Path, model: nn.Module, vgg16: bool) -> dict[str, str]:
    """Name in ``model`` to name in the file, of all layers but the score layers, for every FCN8s in ``model``."""
    pairs: dict[str, str] = {}
    for prefix, network in model.named_modules():
        if isinstance(network, FCN8s):
            layers = {name: name for name in [*network.names(), "fc6", "fc7"]}
            if vgg16:
                layers = dict(zip(network.names(), (f"features.{n}" for n in VGG16_FEATURES), strict=False))
                layers |= {"fc6": "classifier.0", "fc7": "classifier.3"}
            start = f"{prefix}." if prefix else ""
            pairs |= {f"{start}{a}.{part}": f"{b}.{part}" for a, b in layers.items() for part in ("weight", "bias")}
    if not pairs:
        raise CheckpointError(f"{path} is no RSTN, and {type(model).__name__} holds no FCN8s that it could fill.")
    return pairs


def _check(path: str | Path, model: nn.Module, state: State, pairs: Mapping[str, str], left: Sequence[str]) -> None:
    own = model.state_dict()
    wrong = [f"  missing in the file: {source}" for source in dict.fromkeys(pairs.values()) if source not in state]
    wrong += [f"  unknown in the file: {name}" for name in left if not _may_be_left(name)]
    wrong += [
        f"  {source}: {tuple(state[source].shape)} in the file, {tuple(own[name].shape)} in the network"
        for name, source in pairs.items()
        if source in state and not _fits(source, state[source], own[name])
    ]
    if wrong:
        shown = "\n".join(wrong[:8] + ([f"  ... and {len(wrong) - 8} more"] if len(wrong) > 8 else []))
        raise CheckpointError(
            f"{path} ({len(state)} tensors) does not fit {type(model).__name__}:\n{shown}\n"
            "Known are files of OrganSegRSTN, of FCN-8s and of torchvision's vgg16, each for networks of its own size."
        )
    broken = [name for name in set(pairs.values()) if not torch.isfinite(state[name]).all()]
    if broken:
        raise CheckpointError(f"{path} holds weights that are NaN or infinite, first {min(broken)}. Get it again.")


def _may_be_left(name: str) -> bool:
    """Whether this layer of a file depends on its classes: only these start anew."""
    return not name.startswith(("coarse_model.", "fine_model.")) and (
        "score" in name or name.startswith("classifier.6.")
    )


def _fits(source: str, given: torch.Tensor, own: torch.Tensor) -> bool:
    """Same shape, or a fully connected layer of VGG-16 that holds the weights of a convolution in their order."""
    flat = (own.shape[0], own[0].numel()) if own.ndim == 4 else own.shape
    return given.shape == own.shape or (source.startswith("classifier.") and tuple(given.shape) == tuple(flat))
