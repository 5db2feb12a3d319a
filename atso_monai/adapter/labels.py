"""Labels as a bundle's training gets to see them, compared with those of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from atso_monai.errors import ConfigError

IGNORED = 255
"""Like all negative values, a value that padded voxels often have, for losses that leave them out."""
_ROUNDING = 1e-3


def refuse_changed_labels(item: Any, label_key: str, classes: Iterable[int], source: str) -> None:
    """Refuse training transforms after which a label has classes that its file does not have.

    A network that learns from such labels predicts other classes than those of the cohort. Classes that are missing
    after the transforms are no sign: a crop may have none of them.

    Args:
        item: what the training dataset gives for a case: a mapping, or a list of mappings for several crops.
        label_key: key of the label; an item without it is not looked at.
        classes: class indices that the label file has.
        source: the bundle and the case, for the error.

    Raises:
        ConfigError: names the values.
    """
    known = {0, *classes}
    for label in _labels(item, label_key):
        one_hot = {0, 1} if label.ndim > 0 and label.shape[0] > 1 else set()
        found = {value for value in torch.unique(label).tolist() if 0 <= value != IGNORED}
        wrong = sorted(v for v in found if v % 1 > _ROUNDING or int(v) not in known | one_hot)  # losses cut off digits
        if wrong:
            raise ConfigError(
                f"The training transforms of {source} make {', '.join(f'{value:g}' for value in wrong[:8])} of its "
                f"label, which has the classes {', '.join(map(str, sorted(known)))}. Set what changes them (such as "
                "MapLabelValued, ScaleIntensityd on the label, an interpolation of it, or names of labels) with "
                "--overrides, or give your labels the bundle's numbers with label_map."
            )


def _labels(item: Any, key: str) -> Iterator[torch.Tensor]:
    for one in item if isinstance(item, (list, tuple)) else [item]:
        if isinstance(one, Mapping) and isinstance(one.get(key), (torch.Tensor, np.ndarray)):  # and no path
            yield torch.as_tensor(one[key])
