"""What other programs read: pynrrd the raw file, slicerio the segments, ITK the geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import nrrd
import numpy as np
import pytest
import slicerio

from atso_monai.review.export.segmentation import (
    Layer,
    build_segmentation,
    disagreement,
    segment_ids,
    write_segmentation,
)

CLASSES = {1: "pancreas", 2: "kidney_left", 5: "脑 | odd:= name~^ \n2"}
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (6, 5, 4)


def labels(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 1, 2, 5], size=shape).astype(np.uint8)


def oblique() -> np.ndarray:
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (20, -35, 110), degrees=True).as_matrix() * (0.7, 1.3, 5.0)
    affine[:3, 3] = (12.5, -340.25, 1000.125)
    return affine


GRIDS = {
    "RAS": np.diag([1.0, 1.0, 1.0, 1.0]),
    "LPS": np.diag([-0.8, -0.8, 3.0, 1.0]),
    "oblique": oblique(),
    "permuted": np.array([[0, 1.3, 0, 4], [0, 0, -1.1, 2], [2.0, 0, 0, -9], [0, 0, 0, 1]]),
    "left-handed": np.diag([-1.0, 1.0, 2.0, 1.0]),
}


@pytest.fixture(params=GRIDS, ids=str)
def affine(request: pytest.FixtureRequest) -> np.ndarray:
    return np.asarray(GRIDS[request.param])


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[Path, list[np.ndarray]]]:
    def write(maps: list[np.ndarray], affine: np.ndarray = GRIDS["LPS"]) -> tuple[Path, list[np.ndarray]]:
        models = [Layer(f"f{n}", f"model f{n}", label) for n, label in enumerate(maps[1:], start=1)]
        write_segmentation(build_segmentation(maps[0], models, CLASSES, affine), tmp_path / "a#b%.seg.nrrd")
        return tmp_path / "a#b%.seg.nrrd", maps

    return write


def by_itk(file: Path) -> Any:
    reader = itk.ImageFileReader[itk.VectorImage[itk.UC, 3]].New(FileName=str(file))
    reader.Update()
    return reader.GetOutput()


def test_every_segment_voxel_for_voxel(written: Any, affine: np.ndarray) -> None:
    file, maps = written([labels(1), labels(1), labels(2)], affine)
    read = slicerio.read_segmentation(str(file))
    np.testing.assert_allclose(read["ijkToLPS"], LPS @ affine, rtol=0, atol=1e-9)
    assert [s["id"] for s in read["segments"]] == [
        "final_1", "final_2", "final_5", "f1_1", "f1_2", "f1_5", "f2_1", "f2_2", "f2_5", "disagreement",
    ]  # fmt: skip
    for segment in read["segments"]:
        mask = read["voxels"][segment["layer"]] == segment["labelValue"]
        key, _, index = segment["id"].partition("_")
        expected = maps[1] != maps[2] if key == "disagreement" else maps[("final", "f1", "f2").index(key)] == int(index)
        np.testing.assert_array_equal(mask, expected)


def test_itk_sees_the_same_places(written: Any, affine: np.ndarray) -> None:
    """Points of a mask, in LPS mm by ITK's own arithmetic and by the affine."""
    file, maps = written([labels(1), labels(1), labels(2)], affine)
    image = by_itk(file)
    assert image.GetNumberOfComponentsPerPixel() == 4
    array = itk.array_from_image(image)  # (z, y, x, layer)
    assert array.shape == (*SHAPE[::-1], 4)
    np.testing.assert_array_equal(array[..., 0].transpose(2, 1, 0), maps[0])
    np.testing.assert_array_equal(array[..., 2].transpose(2, 1, 0), maps[2])
    for index in np.argwhere(maps[0] == 5)[:5]:
        point = image.TransformIndexToPhysicalPoint([int(v) for v in index])
        np.testing.assert_allclose(list(point), (LPS @ affine @ [*index, 1])[:3], atol=1e-6)


def test_the_file_is_as_slicer_writes_it(written: Any) -> None:
    file, _ = written([labels(1), labels(2), labels(3)])
    voxels, header = nrrd.read(str(file))
    assert voxels.dtype == np.uint8
    assert header["kinds"] == ["list", "domain", "domain", "domain"]
    assert header["space"] == "left-posterior-superior"
    assert np.isnan(header["space directions"][0]).all()
    assert header["encoding"] == "gzip"
    assert header["Segment0_Name"] == "pancreas"
    assert header["Segment1_Tags"] == (
        "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^7771000^Left~Anatomic codes - DICOM master list"
        "~^^~^^|"
    )
    assert header["Segment0_Color"] == "0.976471 0.705882 0.435294"


def test_names_colours_and_terms(written: Any) -> None:
    file, _ = written([labels(1), labels(2), labels(3)])
    segments = {s["id"]: s for s in slicerio.read_segmentation(str(file))["segments"]}
    header = by_itk(file)
    assert header["Segment2_Name"] == "脑 | odd:= name~^ 2"
    assert header["Segment5_Name"] == "脑 | odd:= name~^ 2 (model f1)"
    assert header["Segment2_ID"] == "final_5"
    assert segments["f1_1"]["name"] == "pancreas (model f1)"
    assert segments["final_1"]["terminology"]["type"] == ["SCT", "15776009", "Pancreas"]
    assert segments["final_5"]["terminology"]["type"] == ["SCT", "85756007", "Tissue"]
    assert segments["disagreement"]["terminology"]["category"] == ["SCT", "85756007", "Tissue"]
    assert len({tuple(s["color"]) for s in segments.values()}) == len(segments)
    assert all(s["extent"] == [0, 5, 0, 4, 0, 3] for s in segments.values())


def test_empty_absent_and_single_voxels(written: Any) -> None:
    single = np.zeros(SHAPE, np.uint8)
    single[5, 0, 3] = 2
    file, _ = written([single, np.zeros(SHAPE, np.uint8), single])
    read = slicerio.read_segmentation(str(file))
    found = {s["id"]: np.argwhere(read["voxels"][s["layer"]] == s["labelValue"]).tolist() for s in read["segments"]}
    here = [[5, 0, 3]]
    assert {name for name, where in found.items() if where} == {"final_2", "f2_2", "disagreement"}
    assert found["final_2"] == found["f2_2"] == found["disagreement"] == here


@pytest.mark.parametrize("count", [1, 2])
def test_without_two_models_nothing_can_disagree(written: Any, count: int) -> None:
    file, maps = written([labels(n) for n in range(count)])
    read = slicerio.read_segmentation(str(file))
    assert read["voxels"].shape == (SHAPE if count == 1 else (2, *SHAPE))
    assert "disagreement" not in [s["id"] for s in read["segments"]]
    np.testing.assert_array_equal(read["voxels"] if count == 1 else read["voxels"][0], maps[0])


def test_disagreement_of_three_models_by_brute_force() -> None:
    three = [labels(n) for n in range(3)]
    expected = [len({int(label[index]) for label in three}) > 1 for index in np.ndindex(SHAPE)]
    np.testing.assert_array_equal(disagreement(three).ravel().astype(bool), expected)


def test_the_same_content_gives_the_same_bytes(written: Any) -> None:
    file, maps = written([labels(1), labels(2)])
    before = file.read_bytes()
    assert b"# on " not in before
    written(maps)
    assert file.read_bytes() == before


def test_nothing_given_is_changed(written: Any) -> None:
    maps = [labels(n) for n in range(3)]
    before = [label.copy() for label in maps]
    written(maps)
    for label, kept in zip(maps, before, strict=True):
        np.testing.assert_array_equal(label, kept)


def test_segment_ids() -> None:
    assert segment_ids({1: "a", 3: "b"}, ["f1", "f2"]) == {
        "final": ["final_1", "final_3"],
        "f1": ["f1_1", "f1_3"],
        "f2": ["f2_1", "f2_3"],
        "disagreement": ["disagreement"],
    }
    assert segment_ids({1: "a"}, []) == {"final": ["final_1"]}
