"""A bundle's predictions as label files on the grid of each scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor, decollate_batch
from monai.transforms import SpatialResample

from atso_monai.adapter.cases import ID
from atso_monai.adapter.training import require_weights
from atso_monai.errors import PrepareError
from atso_monai.networks.weights import read_state
from atso_monai.prepare import write_label_on
from atso_monai.prepare.datalist import load_datalist
from atso_monai.volume_file import read_volume

Affine = npt.NDArray[np.float64]


def collect_labels(
    evaluator: Engine,
    network: torch.nn.Module,
    checkpoint: str | Path | None,
    datalist: str | Sequence[Mapping[str, Any]],
    output_dir: str | Path,
    num_classes: int | None,
    *,
    image_key: str = "image",
    prediction_key: str = "pred",
) -> None:
    """Attach the writing of ``<id>.nii.gz`` to a bundle's evaluator, after all of its own postprocessing.

    Args:
        evaluator: the bundle's evaluator.
        network: the network that it runs.
        checkpoint: the file whose weights the network must have when the first case is predicted.
        datalist: the cases, as :func:`atso_monai.adapter.cases` got them.
        output_dir: folder for the files.
        num_classes: classes with background; None checks no values.
        image_key: key of the image in a batch.
        prediction_key: key of the finished prediction.
    """
    found = load_datalist(datalist) if isinstance(datalist, (str, Path)) else tuple(datalist)
    images = {str(item["id"]): str(item["image"]) for item in found}
    writer = _Writer(images, Path(output_dir), num_classes, image_key, prediction_key)
    if checkpoint is not None:
        expected = read_state(Path(checkpoint))
        evaluator.add_event_handler(Events.ITERATION_STARTED(once=1), require_weights, network, expected, checkpoint)
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, writer)


class _Writer:
    def __init__(
        self, images: Mapping[str, str], folder: Path, num_classes: int | None, image_key: str, prediction_key: str
    ) -> None:
        self._images, self._folder, self._num_classes = images, folder, num_classes
        self._image_key, self._key = image_key, prediction_key

    def __call__(self, engine: Engine) -> None:
        """Write the cases of the batch that was predicted last."""
        batch, output = engine.state.batch, engine.state.output
        if not isinstance(output, list):
            batch, output = decollate_batch(batch), decollate_batch(output)
        if len(batch) != len(output):  # lists of another length in an item, such as points, were taken for its batch
            batch = [{}] * len(output)
        for item, predicted in zip(batch, output, strict=True):
            self._write({**item, **predicted})

    def _write(self, data: Mapping[str, Any]) -> None:
        name = self._case(data)
        path = self._folder / f"{name}.nii.gz"
        if path.exists():
            raise PrepareError(f"{path} is there already and is not replaced. Choose another output folder.")
        if self._key not in data:
            raise PrepareError(f"The bundle's output has no {self._key!r}, but {', '.join(data)}: see prediction_key.")
        voxels, affine = read_volume(self._images[name])
        try:
            label = class_indices(data[self._key], self._num_classes)
            native = on_grid(label, _affine(data[self._key], data.get(self._image_key)), voxels.shape, affine)
        except ValueError as error:
            raise PrepareError(f"The bundle's prediction of case {name} cannot be used: {error}") from None
        write_label_on(path, native, affine)

    def _case(self, data: Mapping[str, Any]) -> str:
        """The case of an item: by the id that it carries, or by the file that its image was read from."""
        if data.get(ID) in self._images:
            return str(data[ID])
        meta = getattr(data.get(self._image_key), "meta", {})
        file = str(meta.get("filename_or_obj", ""))
        named = [name for name, image in self._images.items() if file and Path(image) == Path(file)]
        if len(named) != 1:
            raise PrepareError("The bundle's transforms leave no trace of the case that a prediction belongs to.")
        return named[0]


def class_indices(prediction: torch.Tensor, num_classes: int | None) -> torch.Tensor:
    """The class of each voxel, uint8 without channel axis, from labels, one-hot labels, or class scores.

    Args:
        prediction: (C, X, Y, Z): one channel of labels, or a channel for each class.
        num_classes: classes with background; None checks no values.

    Raises:
        ValueError: for several channels that are no classes, labels between two classes, or unknown classes.
    """
    channels = prediction.shape[0]
    plain = prediction.as_tensor() if isinstance(prediction, MetaTensor) else prediction
    if channels > 1:
        if num_classes is not None and channels != num_classes:
            raise ValueError(f"it has {channels} channels, but there are {num_classes} classes with the background.")
        whole = torch.equal(plain, plain.round())
        if whole and set(torch.unique(plain.sum(0)).tolist()) != {1.0} and set(torch.unique(plain).tolist()) <= {0, 1}:
            raise ValueError("its channels overlap: some voxels belong to several classes, or to none.")
        plain = plain.argmax(0, keepdim=True)
    label = plain[0].float()
    rounded = label.round()
    if not torch.equal(label, rounded) and (num_classes != 2 or label.min() < 0 or label.max() > 1):
        raise ValueError("its labels are no whole numbers (blended by interpolation after the labels were made).")
    if not torch.isfinite(rounded).all() or rounded.min() < 0 or rounded.max() >= (num_classes or 256):
        low, high = float(rounded.min()), float(rounded.max())
        raise ValueError(f"its labels go from {low:g} to {high:g}, but classes from 0 to {(num_classes or 256) - 1}.")
    return rounded.to(torch.uint8)


def on_grid(label: torch.Tensor, affine: Affine | None, shape: Sequence[int], target: Affine) -> npt.NDArray[np.uint8]:
    """Labels on a scan's grid: as they are where they lie on it, else by nearest neighbour from their own.

    Args:
        label: (X, Y, Z), uint8.
        affine: of the label, voxel index to RAS mm; None where it is not known.
        shape: of the scan.
        target: affine of the scan.

    Raises:
        ValueError: when the label is on another grid and it is not known where.
    """
    if affine is None or affine.shape != (4, 4):
        raise ValueError(
            f"its shape is {tuple(label.shape)}, and nothing tells where it lies on the scan {tuple(shape)}."
        )
    if tuple(label.shape) == tuple(shape) and np.allclose(affine, target, atol=1e-3):
        return np.asarray(label.cpu().numpy(), dtype=np.uint8)
    moved = MetaTensor(label[None].float().cpu(), affine=torch.as_tensor(affine))
    resample = SpatialResample(mode="nearest", padding_mode="zeros")
    result = resample(moved, dst_affine=torch.as_tensor(target), spatial_size=list(shape))
    return np.asarray(result[0].numpy().round(), dtype=np.uint8)


def _affine(prediction: Any, image: Any) -> Affine | None:
    """Where a prediction lies: its own affine, or that of an image of the same size beside it."""
    for data in (prediction, image):
        if isinstance(data, MetaTensor) and tuple(data.shape[1:]) == tuple(prediction.shape[1:]):
            return np.asarray(data.affine.cpu().numpy(), dtype=np.float64)
    return None
