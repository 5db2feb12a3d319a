"""PNG and JPEG files as arrays with rows first: (H, W) for one channel, (H, W, 3) for colour."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atso_monai.errors import PrepareError
from atso_monai.files import atomic_path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a picture; hidden files are none."""
    name = os.path.basename(os.fspath(path))
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def read_picture(path: Path) -> npt.NDArray[Any]:
    """Pixels as the file stores them: (H, W) or, for colour, (H, W, channels); uint8, or uint16 for 16-bit PNG.

    Palette files, which label files often are, give their indices and not their colours. An orientation that a camera
    noted in a JPEG is not applied: labels lie on the stored grid. Raises what Pillow raises on damaged files.
    """
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
        array = np.asarray(picture)
    return array.astype(np.uint8) if array.dtype == bool else array


def has_palette(path: str | os.PathLike[str]) -> bool:
    """Whether a picture stores indices of colours; only the header is read."""
    from PIL import Image

    with Image.open(path) as picture:
        return str(picture.mode) == "P"


def write_picture(path: Path, label: npt.NDArray[np.uint8]) -> None:
    """Write class indices (H, W) as a grey PNG, losslessly; the file appears at once and complete.

    The same label gives the same bytes with the same version of Pillow.

    Raises:
        PrepareError: when the label is of another form, the name does not end in ``.png``, or writing fails.
    """
    from PIL import Image

    if label.ndim != 2 or label.dtype != np.uint8 or path.suffix.lower() != ".png":
        raise PrepareError(
            f"Labels of pictures are written as .png from uint8 (H, W). Received: {path.name}, {label.dtype} "
            f"{label.shape}."
        )
    try:
        with atomic_path(path) as temporary:
            Image.fromarray(label).save(temporary, format="PNG")
    except OSError as error:
        raise PrepareError(
            f"Cannot write {path} ({error.strerror or error}). Free some space and run again."
        ) from error
