"""Lists of cases from a JSON file, which no configuration parser can touch, or from a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atso_monai.errors import PrepareError
from atso_monai.files import as_given
from atso_monai.picture_file import is_picture
from atso_monai.volume_file import SUFFIXES, case_id

Item = Mapping[str, Any]


def load_datalist(path: str | os.PathLike[str]) -> tuple[dict[str, Any], ...]:
    """The cases that a path stands for.

    Args:
        path: a JSON file like ``[{"id": "a", "image": "scans/a.nii.gz", "label": "labels/a.nii.gz"}, ...]``, where
            relative paths are relative to the file's folder and an item without id is named after its image file; or
            a folder, for the labelled cases of its ``dataset.json`` (Medical Segmentation Decathlon) or else for the
            volume files in it by name, or, where it has none, its pictures; or one volume file or picture.

    Raises:
        PrepareError: names the path when nothing can be read from it, or the item that has no image.
    """
    file = as_given(path)
    if (file / "dataset.json").is_file():
        file = file / "dataset.json"
    if file.is_dir():
        images = sorted(f for f in file.iterdir() if is_volume_file(f)) or sorted(filter(is_picture, file.iterdir()))
        if not images:
            raise PrepareError(f"The folder {file} has no volume files ({', '.join(SUFFIXES)}) and no pictures.")
        return tuple({"id": case_id(image), "image": str(image)} for image in images)
    if is_volume_file(file) or is_picture(file):
        return ({"id": case_id(file), "image": str(file)},)
    return tuple(
        _item(item, f"case {number} of {file}", file.parent) for number, item in enumerate(_read(file), start=1)
    )


def is_volume_file(path: Path) -> bool:
    """Whether the name is that of a volume file; hidden files, such as the ``._*`` of macOS archives, are none."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def _read(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrepareError(f"Cannot read the datalist {file}: {error}") from error
    if isinstance(content, dict) and content.get("training"):
        content = [item for item in content["training"] if not Path(str(item["image"])).name.startswith("._")]
    if not isinstance(content, list):
        found = f"an object with keys {', '.join(content)}" if isinstance(content, dict) else repr(content)
        raise PrepareError(f"The datalist {file} must have a list of cases at its top. Received: {found[:200]}.")
    return content


def _item(item: Any, where: str, folder: Path) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise PrepareError(f'{where} must be an object with "image": a path. Received: {item!r}.')
    paths = {key: str(folder / item[key]) for key in ("image", "label") if item.get(key)}
    return {"id": case_id(item["image"]), **item, **paths}
