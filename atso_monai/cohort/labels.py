"""Label names and label maps as configuration gives them."""

from __future__ import annotations

from collections.abc import Mapping

from atso_monai.cohort.datalist import integer, integer_keys

LabelNames = Mapping[int, str] | Mapping[str, str]
LabelMap = Mapping[int, int] | Mapping[str, int]


def named_labels(
    label_names: LabelNames | None, label_map: LabelMap | None
) -> tuple[dict[int, str], dict[int, int] | None]:
    """``labels`` and ``label_map`` of a cohort; keys may be text, as in JSON, and 0 is the background if not named.

    Args:
        label_names: name of each class index; None gives 1 "foreground", or one "label <index>" for each class of
            ``label_map``.
        label_map: class index of each value in the label files; None where the files hold class indices.

    Raises:
        CohortError: when a value or a class index is no integer.
    """
    mapping = None
    if label_map is not None:
        pairs = integer_keys(label_map, "label_map").items()
        mapping = {value: integer(index, f"label_map[{value}]") for value, index in pairs}
    if label_names is not None:
        names = {index: str(name) for index, name in integer_keys(label_names, "label_names").items()}
    elif mapping is not None:
        names = {index: f"label {index}" for index in sorted(set(mapping.values()) - {0})}
    else:
        names = {1: "foreground"}
    return dict(sorted(({0: "background"} | names).items())), mapping


def merged_names(names: LabelNames, label_map: LabelMap | None) -> dict[int, str]:
    """Names of the classes after ``label_map``, from the names of the values in the files.

    Values that share a class give it their names joined by "+": ``{1: "pancreas", 2: "tumour"}`` under ``{1: 1, 2: 1}``
    gives ``{0: "background", 1: "pancreas+tumour"}``. Without a map the names stay.
    """
    known, mapping = named_labels(names, label_map)
    if mapping is None:
        return known
    parts: dict[int, list[str]] = {}
    for value, index in sorted(mapping.items()):
        parts.setdefault(index, []).append(known.get(value, f"value {value}"))
    joined = {index: "+".join(found) for index, found in sorted(parts.items())}
    return dict(sorted((joined | {0: "background"}).items()))
