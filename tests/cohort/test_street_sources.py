from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atso_monai.cohort import (
    Cohort,
    camvid_cohort,
    check_cohort,
    cityscapes_cohort,
    joined_cohort,
    mapillary_cohort,
)
from atso_monai.errors import CohortError


def picture(path: Path, number: int, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def label(path: Path, value: int, size: tuple[int, int] = (6, 4), palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full((size[1], size[0]), value, np.uint8)
    array[0, 0] = 0
    image = Image.fromarray(array)
    if palette:
        image.putpalette([7, 8, 9] * 256)
    image.save(path)


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    for n, part in enumerate(["train"] * 4 + ["val"] * 2 + ["train_extra"] * 2):
        kind = "gtCoarse" if part == "train_extra" else "gtFine"
        picture(tmp_path / "cs" / "leftImg8bit" / part / "ulm" / f"ulm_{n:06}_000019_leftImg8bit.png", n)
        label(tmp_path / "cs" / kind / part / "ulm" / f"ulm_{n:06}_000019_{kind}_labelIds.png", 26)
    return tmp_path / "cs"


@pytest.fixture
def mapillary(tmp_path: Path) -> Path:
    for n, part in enumerate(["training"] * 4 + ["validation"] * 2):
        size = (6 + n, 4 + n)
        picture(tmp_path / "mv" / part / "images" / f"abc{n}.jpg", n + 100, size)
        label(tmp_path / "mv" / part / "labels" / f"abc{n}.png", 55, size, palette=True)
    return tmp_path / "mv"


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    for n, part in enumerate(["train"] * 4 + ["val"] * 2):
        picture(tmp_path / "cv" / part / f"frame{n}.png", n + 200)
        label(tmp_path / "cv" / f"{part}annot" / f"frame{n}.png", 11)
    return tmp_path / "cv"


def ids(cases: tuple) -> list[str]:
    return [case.id for case in cases]


@pytest.mark.parametrize("source", ["cityscapes", "mapillary", "camvid"])
def test_roles_come_from_the_parts_that_they_should(source: str, request: pytest.FixtureRequest) -> None:
    make: Callable[..., Cohort] = {
        "cityscapes": cityscapes_cohort, "mapillary": mapillary_cohort, "camvid": camvid_cohort,
    }[source]  # fmt: skip
    cohort = make(request.getfixturevalue(source), labelled=2, seed=3)
    assert (len(cohort.labelled), len(cohort.reference), len(cohort.test), len(cohort.folds)) == (2, 2, 2, 2)
    assert all("val" in str(case.image.relative_to(case.image.parents[3])) for case in cohort.test)
    assert cohort.ignore == 255
    assert check_cohort(cohort) == []
    more = make(request.getfixturevalue(source), labelled=3, test=1, seed=3, folds=1)
    assert set(ids(cohort.labelled)) < set(ids(more.labelled))
    assert len(more.test) == 1 and len(more.reference) == 1, "what the test set leaves of the validation part is unused"


def test_coarse_images_are_reference_only(cityscapes: Path) -> None:
    cohort = cityscapes_cohort(cityscapes, labelled=1, coarse=True)
    assert len(cohort.reference) == 5
    assert {"ulm_000006_000019", "ulm_000007_000019"} < set(ids(cohort.reference))
    assert all(case.truth for case in cohort.reference)
    everything = cityscapes_cohort(cityscapes, coarse=True)
    assert (len(everything.labelled), len(everything.reference)) == (4, 2)


def test_a_transfer_keeps_the_meaning_of_both_label_files(cityscapes: Path, mapillary: Path, tmp_path: Path) -> None:
    source = cityscapes_cohort(cityscapes, reference=0, test=0, folds=0)
    cohort = joined_cohort({"c": source, "m": mapillary_cohort(mapillary, labelled=0, folds=0)}, folds=2)
    assert (len(cohort.labelled), len(cohort.reference), len(cohort.test)) == (4, 4, 2)
    maps = {role: cohort.label_map_of(getattr(cohort, role)[0]) or {} for role in ("labelled", "reference", "test")}
    assert maps["labelled"][26] == maps["test"][55] == maps["reference"][55] == 13
    assert cohort.ignore == 255
    assert check_cohort(cohort) == []
    again = Cohort.load(cohort.save(tmp_path / "cohort.json"))
    assert again == cohort


def test_cohorts_of_other_classes_do_not_mix(cityscapes: Path, camvid: Path) -> None:
    with pytest.raises(CohortError, match="classes of the sources differ"):
        joined_cohort({"a": cityscapes_cohort(cityscapes, folds=0), "b": camvid_cohort(camvid, folds=0)})


@pytest.mark.parametrize("make", [cityscapes_cohort, mapillary_cohort, camvid_cohort])
def test_a_wrong_folder_is_told_with_the_way_to_the_data(make: Callable[..., Cohort], tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"has no folder .*(Register|Get CamVid)"):
        make(tmp_path)
    with pytest.raises(CohortError, match="No data set was given"):
        make(None)


def test_too_many_cases_are_refused(camvid: Path) -> None:
    with pytest.raises(CohortError, match="test must be a number of cases from 0 to 2"):
        camvid_cohort(camvid, test=3, folds=0)


def test_checks_name_what_is_wrong_with_pictures(camvid: Path) -> None:
    picture(camvid / "trainannot" / "frame0.png", 1)
    label(camvid / "trainannot" / "frame1.png", 12)
    label(camvid / "trainannot" / "frame2.png", 3, size=(5, 4))
    label(camvid / "train" / "frame3.png", 3, palette=True)
    problems: dict[str, str] = {}
    for problem in check_cohort(camvid_cohort(camvid, folds=0)):
        problems[problem.case] = problems.get(problem.case, "") + str(problem)
    assert "one channel of class indices" in problems["frame0"]
    assert "has the values 12" in problems["frame1"]
    assert "has shape (4, 5), its image (4, 6)" in problems["frame2"]
    assert "palette" in problems["frame3"]


def test_a_labelled_case_of_class_0_alone_is_sound_where_pixels_can_be_ignored(camvid: Path) -> None:
    for n in range(4):
        label(camvid / "trainannot" / f"frame{n}.png", 0)
    assert check_cohort(camvid_cohort(camvid, folds=0)) == []
    for n in range(4):
        Image.fromarray(np.full((4, 6), 11, np.uint8)).save(camvid / "trainannot" / f"frame{n}.png")
    assert "the label is empty" in str(check_cohort(camvid_cohort(camvid, folds=0))[0])
