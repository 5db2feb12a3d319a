from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.transforms import Compose, RandFlipd, RandSpatialCropd, SpatialPadd
from PIL import Image

from atso_monai.bundle import find_bundle, read_config
from atso_monai.errors import PrepareError
from atso_monai.handlers import LabelSaver
from atso_monai.prepare import PictureCases, PictureDataset, PictureStore, one_case, probabilities_to_native


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def scene(number: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red channel is 40 times the label, which consists of blocks of 8 x 8 pixels."""
    random = np.random.default_rng(number)
    blocks = random.integers(0, 4, (-(-size[0] // 8), -(-size[1] // 8))).astype(np.uint8)
    label = np.kron(blocks, np.ones((8, 8), np.uint8))[: size[0], : size[1]]
    return np.stack([label * 40, np.full_like(label, 7), np.full_like(label, 9)], -1), label


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, str]]:
    made = []
    for n, size in enumerate([(32, 48), (40, 32), (64, 64)]):
        image, label = scene(n, size)
        files = save(tmp_path / "images" / f"{n}.png", image), save(tmp_path / "labels" / f"{n}.png", label)
        made.append({"id": str(n), "image": str(files[0]), "label": str(files[1])})
    return made


def test_a_picture_is_normalised_and_keeps_its_rows_and_columns(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache", mean=(10, 0, 0), std=(2, 1, 1))
    image, placement = store.image(items[0]["image"])
    expected, label = scene(0, (32, 48))
    assert image.shape == (3, 32, 48) and placement.native_shape == (32, 48, 1)
    assert torch.equal(image[0] * 2 + 10, torch.from_numpy(expected[..., 0]).float())
    assert torch.equal(store.label(items[0]["label"]), torch.from_numpy(label))


def test_the_shorter_side_gets_the_asked_length(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache", side=16)
    assert [tuple(store.image(i["image"])[0].shape[1:]) for i in items] == [(16, 24), (20, 16), (16, 16)]
    assert [tuple(store.label(i["label"]).shape) for i in items] == [(16, 24), (20, 16), (16, 16)]


def test_down_and_back_to_the_files_own_grid_moves_nothing(tmp_path: Path, items: list[dict[str, str]]) -> None:
    """Blocks of 8 pixels at half the size are blocks of 4: scaled back, their middles must lie where they were."""
    store = PictureStore(tmp_path / "cache", side=16)
    _, placement = store.image(items[0]["image"])
    label = store.label(items[0]["label"])
    scores = torch.nn.functional.one_hot(label.long(), 4).movedim(-1, 0).float()
    back = probabilities_to_native(scores[..., None], placement)[..., 0]
    truth = scene(0, (32, 48))[1]
    middle = np.kron(np.ones((4, 6), bool), np.pad(np.ones((4, 4), bool), 2))
    assert back.shape == truth.shape and (back == truth)[middle].all()
    assert (back != truth).mean() < 0.15
    assert (back == truth)[::-1, ::-1].mean() == pytest.approx((back == truth).mean())


def test_content_decides_what_is_found_again(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache", side=16)
    before = store.label(items[0]["label"])
    files = set((tmp_path / "cache" / "volumes").iterdir())
    copy = save(tmp_path / "copy.png", scene(0, (32, 48))[1])
    assert torch.equal(store.label(copy), before)
    assert set((tmp_path / "cache" / "volumes").iterdir()) == files
    save(copy, 3 - scene(0, (32, 48))[1])
    assert torch.equal(PictureStore(tmp_path / "cache", side=16).label(copy), 3 - before)
    assert torch.equal(store.label(items[0]["label"], {"0": 255, "1": 4, "2": 5, "3": 6}) == 255, before == 0)


def test_a_store_without_folder_writes_nothing(tmp_path: Path, items: list[dict[str, str]]) -> None:
    kept, plain = PictureStore(tmp_path / "cache", side=16), PictureStore(None, side=16)
    assert torch.equal(kept.image(items[1]["image"])[0], plain.image(items[1]["image"])[0])


def test_grey_becomes_colour_and_what_is_no_picture_is_refused(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache")
    image, _ = store.image(items[0]["label"])
    assert image.shape == (3, 32, 48) and torch.equal(image[0], image[2])
    with pytest.raises(PrepareError, match=r"0\.png as label of a picture: its shape is \(32, 48, 3\)"):
        store.label(items[0]["image"])
    with pytest.raises(PrepareError, match="does not give a class"):
        store.label(items[0]["label"], {0: 0})


def augmentation() -> Compose:
    return Compose(
        [
            SpatialPadd(["image"], (40, 40)),
            SpatialPadd(["label"], (40, 40), value=255),
            RandSpatialCropd(["image", "label"], (40, 40), random_size=False),
            RandFlipd(["image", "label"], prob=0.5, spatial_axis=1),
        ]
    )


def test_draws_keep_image_and_label_together(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache", std=(1, 1, 1))
    data = PictureDataset(items, store, augmentation(), length=12, seed=5)
    for sample in data:
        assert sample["image"].shape == (3, 40, 40) and sample["label"].dtype == torch.int64
        inside = sample["label"][0] != 255
        assert torch.equal(sample["image"][0][inside], sample["label"][0][inside] * 40.0)
        assert not sample["image"][0][~inside].any()


def test_a_draw_depends_on_seed_and_number_alone(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache")
    first, again = (PictureDataset(items, store, augmentation(), length=9, seed=5) for _ in range(2))
    other = PictureDataset(items, store, augmentation(), length=9, seed=6)
    backwards = [again[i] for i in reversed(range(9))][::-1]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, backwards, strict=True))
    assert any(not torch.equal(a["image"], b["image"]) for a, b in zip(first, other, strict=True))


def test_every_round_uses_each_case_once(tmp_path: Path, items: list[dict[str, str]]) -> None:
    data = PictureDataset(items, PictureStore(tmp_path / "cache"), None, length=6)
    sizes = [tuple(sample["label"].shape[1:]) for sample in data]
    assert sorted(sizes[:3]) == sorted(sizes[3:]) == [(32, 48), (40, 32), (64, 64)]


def test_predictions_are_written_as_png_on_the_pictures_own_grid(tmp_path: Path, items: list[dict[str, str]]) -> None:
    store = PictureStore(tmp_path / "cache", side=16)
    cases, engine = PictureCases(items, store), Engine(lambda *_: None)
    saver = LabelSaver(tmp_path / "out", suffix=".png")
    engine.state.batch = one_case([cases[1]])
    scores = torch.zeros(1, 4, 20, 16)
    scores[:, 2, :10] = 1
    scores[:, 3, 10:] = 1
    engine.state.output = {"pred": scores}
    saver(engine)
    written = np.asarray(Image.open(tmp_path / "out" / "1.png"))
    assert written.shape == (40, 32) and (written[:20] == 2).all() and (written[20:] == 3).all()
    with pytest.raises(PrepareError, match="is there already"):
        saver(engine)


def test_the_augmentation_of_the_street_bundles_moves_image_and_label_alike(tmp_path: Path) -> None:
    config = read_config(find_bundle("camvid"), "train")
    config["train"]["augmentation"]["transforms"] = config["train"]["augmentation"]["transforms"][:5]  # geometry
    transform = ConfigParser(config).get_parsed_content("train::augmentation")
    label = np.kron(np.random.default_rng(0).integers(0, 2, (18, 24)), np.ones((10, 10))).astype(np.uint8)
    files = save(tmp_path / "image.png", np.stack([label * 255] * 3, -1)), save(tmp_path / "label.png", label)
    store = PictureStore(None)
    data = PictureDataset([{"image": str(files[0]), "label": str(files[1])}], store, transform, length=20, seed=1)
    shares = []
    for sample in data:
        inside = sample["label"][0] != 255
        shown = (sample["image"][0] > 0.5).long()
        shares.append(float((shown == sample["label"][0])[inside].float().mean()))
        for dy, dx in ((0, 1), (1, 0)):  # no shift by a pixel fits better
            moved = torch.roll(shown, (dy, dx), (0, 1)), torch.roll(shown, (-dy, -dx), (0, 1))
            assert all(float((m == sample["label"][0])[inside].float().mean()) < shares[-1] for m in moved)
    assert min(shares) > 0.97
