from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from atso_monai.errors import ConfigError
from atso_monai.label_maps import load_table, table_names
from atso_monai.transforms import MapLabels

CLASSES = Path(__file__).parents[2] / ".." / "shared" / "data" / "street_classes"


def mseg(column: str, to: str) -> dict[str, str]:
    """Names of one data set to those of another, as the MSeg taxonomy says."""
    if not CLASSES.is_dir():
        pytest.skip("the class names of the data sets are not beside the project")
    found = {}
    with (CLASSES / "MSeg_master.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            for name in row[column].strip("{}").split(","):
                if name.strip():
                    found[name.strip()] = row[to].strip()
    return found


def names(file: str) -> list[str]:
    return [line for line in (CLASSES / file).read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.parametrize("name", table_names())
def test_every_table_names_its_source_and_maps_each_value(name: str) -> None:
    table = load_table(name)
    assert table.source and set(table.mapping) == set(table.values)
    assert set(table.mapping.values()) - {255} == set(range(len(table.classes))), "every class occurs"
    mapped = MapLabels(table.mapping)(np.array(sorted(table.values), dtype=np.uint8))
    assert mapped.tolist() == [table.mapping[v] for v in sorted(table.values)]


def test_mapillary_follows_the_mseg_taxonomy_but_for_two_riders() -> None:
    table, known = load_table("mapillary_66_to_19"), mseg("mapillary-public65", "cityscapes-19")
    assert list(table.values.values()) == names("mapillary-public66_names.txt")
    for value, name in table.values.items():
        ours = "" if table.mapping[value] == 255 else table.classes[table.mapping[value]]
        assert ours == ("rider" if name in ("Motorcyclist", "Other Rider") else known.get(name, "")), name


def test_cityscapes_agrees_with_its_name_lists() -> None:
    table, known = load_table("cityscapes_34_to_19"), mseg("cityscapes-34", "cityscapes-19")
    assert list(table.values.values()) == names("cityscapes-34_names.txt")
    assert list(table.classes) == names("cityscapes-19_names.txt")
    official = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert {v: table.mapping[v] for v in official} == {v: i for i, v in enumerate(official)}
    assert all(table.mapping[v] == 255 for v in table.values if v not in official)
    for value in official:
        assert table.classes[table.mapping[value]] == known[table.values[value]]


def test_the_five_classes_are_those_of_the_paper() -> None:
    for name in ("street_19_to_5", "camvid_11_to_5"):
        assert load_table(name).classes == ("road", "vehicle", "person", "vegetation", "others")
    assert load_table("street_19_to_5").groups == [0, 4, 4, 4, 4, 4, 4, 4, 3, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1]


def test_a_table_that_ignores_values_has_no_groups() -> None:
    with pytest.raises(ConfigError, match="groups"):
        _ = load_table("camvid_11").groups


def test_an_own_table_is_read_by_path(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    rows = [{"value": 3, "name": "a", "class": "x"}, {"value": 4, "name": "b", "class": None}]
    own.write_text(json.dumps({"source": "me", "classes": ["x"], "values": rows}))
    assert load_table(own).mapping == {3: 0, 4: 255}
    own.write_text(json.dumps({"source": "me", "classes": ["x"], "values": [{"value": 3, "name": "a", "class": "y"}]}))
    with pytest.raises(ConfigError, match=r"own\.json is no label map"):
        load_table(own)


def test_a_misspelt_table_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'camvid_11'"):
        load_table("camvid11")
