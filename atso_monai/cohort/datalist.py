"""The cohort file: a JSON datalist in the manner of the Medical Segmentation Decathlon."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atso_monai.cohort.case import Case
from atso_monai.errors import CohortError, nearest
from atso_monai.files import read_json, write_json

_ANSWER = {"labelled": "label", "reference": "truth", "test": "label"}
_REQUIRED = ("name", "labels", "labelled", "reference", "test", "folds")
_OPTIONAL = ("label_map", "ignore", "fingerprint")


@dataclass(frozen=True)
class Parsed:
    """What a cohort file says: the fields of the cohort, and the fingerprint it claims, if any."""

    fields: dict[str, Any]
    fingerprint: str | None


def read(path: Path) -> object:
    """The JSON content of a cohort file.

    Raises:
        CohortError: when the file is missing, unreadable, or no JSON.
    """
    try:
        return read_json(path)
    except OSError as error:
        raise CohortError(f"Cannot read the cohort file {path}: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise CohortError(f"The cohort file {path} is no JSON text: {error}. Restore or write it again.") from error


def write(content: Mapping[str, object], path: Path) -> Path:
    """Write ``content`` as JSON in one step, so that no reader meets half of it.

    Raises:
        CohortError: when the folder cannot be written to, or is full.
    """
    try:
        write_json(path, content)
    except OSError as error:
        raise CohortError(
            f"Cannot write {path}: {error.strerror}. Free some space, or choose another folder."
        ) from error
    return path


def dump_case(case: Case, folder: str | Path) -> dict[str, object]:
    """A case as an entry of a datalist in ``folder``."""
    entry: dict[str, object] = {"id": case.id}
    for key in ("image", "label", "truth"):
        if (path := getattr(case, key)) is not None:
            entry[key] = _portable(path, folder)
    if case.label_map is not None:
        entry["label_map"] = {str(value): index for value, index in sorted(case.label_map.items())}
    return entry


def _portable(path: Path, folder: str | Path) -> str:
    """Relative to ``folder`` with forward slashes when it lies below, else absolute; symbolic links stay."""
    absolute = Path(os.path.abspath(path))
    base = Path(os.path.abspath(folder))
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)


def parse(content: object, folder: str | Path, source: str) -> Parsed:
    """Check the form of a cohort file's content and turn it into the fields of a cohort.

    Raises:
        CohortError: names ``source``, the entry, and what is unknown, missing or malformed in it.
    """
    top = _entry(content, _REQUIRED, _OPTIONAL, source)
    fields: dict[str, Any] = {"name": _text(top["name"], f"{source}, name")}
    labels = integer_keys(top["labels"], f"{source}, labels")
    fields["labels"] = {index: _text(name, f"{source}, labels[{index}]") for index, name in labels.items()}
    if top.get("label_map") is not None:
        fields["label_map"] = _label_map(top["label_map"], source)
    if top.get("ignore") is not None:
        fields["ignore"] = integer(top["ignore"], f"{source}, ignore")
    for role in _ANSWER:
        entries = listed(top[role], f"{source}, {role}")
        fields[role] = tuple(_case(e, role, folder, f"{source}, {role}[{n}]") for n, e in enumerate(entries))
    fields["folds"] = tuple(
        tuple(_text(i, f"{source}, folds[{k}]") for i in listed(fold, f"{source}, folds[{k}]"))
        for k, fold in enumerate(listed(top["folds"], f"{source}, folds"))
    )
    claimed = top.get("fingerprint")
    return Parsed(fields, None if claimed is None else _text(claimed, f"{source}, fingerprint"))


def _case(content: object, role: str, folder: str | Path, where: str) -> Case:
    entry = dict(_entry(content, ("id", "image"), (_ANSWER[role], "label_map"), where))
    mapping = entry.pop("label_map", None)
    texts = {key: _text(value, f"{where}, {key}") for key, value in entry.items() if value is not None}
    files = {key: Path(os.path.abspath(folder), value) for key, value in texts.items() if key != "id"}
    if "image" not in files or "id" not in texts:
        raise CohortError(f"{where}: id and image must be text. Received: {content!r}.")
    return Case(id=texts["id"], **files, label_map=None if mapping is None else _label_map(mapping, where))


def _label_map(content: object, where: str) -> dict[int, int]:
    pairs = integer_keys(content, f"{where}, label_map").items()
    return {value: integer(index, f"{where}, label_map[{value}]") for value, index in pairs}


def _entry(content: object, required: Iterable[str], optional: Iterable[str], where: str) -> dict[str, Any]:
    """``content`` as a dictionary with all required and no unknown keys."""
    if not isinstance(content, dict):
        raise CohortError(f"{where}: must be a JSON object with {', '.join(required)}. Received: {_short(content)}.")
    known = [*required, *optional]
    wrong = [f"unknown key {key!r}.{nearest(str(key), known)}" for key in content if key not in known]
    wrong += [f"missing key {key!r}." for key in required if key not in content]
    if wrong:
        raise CohortError(f"{where}: {' '.join(wrong)} Known keys: {', '.join(known)}.")
    return content


def listed(content: object, where: str) -> list[Any]:
    """``content`` if it is a list.

    Raises:
        CohortError: names ``where`` when it is not.
    """
    if not isinstance(content, list):
        raise CohortError(f"{where}: must be a list. Received: {_short(content)}.")
    return content


def _text(content: object, where: str) -> str:
    if not isinstance(content, str):
        raise CohortError(f"{where}: must be text. Received: {_short(content)}.")
    return content


def integer(value: object, where: str) -> int:
    """``value`` as an int, also from text such as ``"2"``.

    Raises:
        CohortError: names ``where`` when it is no whole number.
    """
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise CohortError(f"{where}: must be a whole number. Received: {_short(value)}.")


def integer_keys(content: object, where: str) -> dict[int, Any]:
    """A mapping with its keys as ints.

    Raises:
        CohortError: names ``where`` when it is no mapping, or a key is no whole number or there twice.
    """
    if not isinstance(content, Mapping):
        raise CohortError(f'{where}: must be an object such as {{"1": ...}}. Received: {_short(content)}.')
    found = {integer(key, f"{where}, key {key!r}"): value for key, value in content.items()}
    if len(found) < len(content):
        raise CohortError(f"{where}: two keys are the same number. Received: {_short(list(content))}.")
    return found


def _short(content: object) -> str:
    text = repr(content)
    return text if len(text) <= 80 else f"{text[:77]}..."
