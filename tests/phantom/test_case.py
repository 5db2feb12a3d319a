from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.ndimage import label as components

from atso_monai.errors import ConfigError
from atso_monai.phantom import FIELD_OF_VIEW, SHIFTED, TISSUES, PhantomCase, Scanner, hounsfield, phantom_case

QUIET = Scanner(noise=(0.0, 0.0), offset=(0.0, 0.0), gain=(1.0, 1.0), jitter=0.0)
SMALL = (48, 48, 24)


@cache
def made(seed: int, shape: tuple[int, int, int] = (96, 96, 40), scanner: Scanner = QUIET) -> PhantomCase:
    return phantom_case(seed, shape=shape, scanner=scanner)


def centre(case: PhantomCase, *names: str) -> NDArray[np.float64]:
    """Mean place in RAS mm of the tissues ``names``."""
    voxels = np.argwhere(np.isin(case.tissues, [TISSUES[name] for name in names]))
    return np.asarray(voxels.mean(0) @ case.affine[:3, :3].T + case.affine[:3, 3])


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_arrays_have_the_promised_types_and_an_anisotropic_ras_grid() -> None:
    case = phantom_case(0)
    assert (case.image.dtype, case.label.dtype, case.tissues.dtype) == (np.int16, np.uint8, np.uint8)
    assert case.image.shape == case.label.shape == case.tissues.shape == (96, 96, 40)
    x, y, z = np.diag(case.affine)[:3]
    assert x == y > 0 and z > 1.3 * x
    corners = np.array([[0, 0, 0, 1], [95, 95, 39, 1]]) @ case.affine.T
    np.testing.assert_allclose(corners.sum(0)[:3], 0, atol=1e-9)
    assert case.image.min() >= -1024 and case.image.max() <= 3071


def test_the_same_seed_gives_the_same_case() -> None:
    first, second = (phantom_case(5, shape=SMALL) for _ in range(2))
    for field in dataclasses.fields(PhantomCase):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def test_another_seed_gives_another_person() -> None:
    masks = [made(seed).label > 0 for seed in (1, 2, 3)]
    assert max(dice(masks[0], masks[1]), dice(masks[0], masks[2]), dice(masks[1], masks[2])) < 0.6


@pytest.mark.parametrize("seed", [0, 4])
def test_another_grid_shows_the_same_anatomy(seed: int) -> None:
    coarse, fine = made(seed), phantom_case(seed, shape=(192, 192, 80), scanner=QUIET)
    halved = fine.label.reshape(96, 2, 96, 2, 40, 2).mean((1, 3, 5)) >= 0.5
    assert dice(coarse.label > 0, halved) > 0.9
    assert (coarse.tissues == fine.tissues[1::2, 1::2, 1::2]).mean() > 0.9
    volumes = [case.label.sum() * np.linalg.det(case.affine[:3, :3]) for case in (coarse, fine)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05)


def test_a_spacing_shows_a_part_of_the_same_person() -> None:
    whole = made(2)
    x, y, z = np.divide(FIELD_OF_VIEW, (96, 96, 40))
    part = phantom_case(2, shape=(64, 64, 40), spacing=(x, y, z), scanner=QUIET)
    np.testing.assert_array_equal(part.label, whole.label[16:80, 16:80])


def test_slabs_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = phantom_case(3, shape=SMALL)
    monkeypatch.setattr("atso_monai.phantom.case._SLAB", 48 * 48 * 20)
    slabs = phantom_case(3, shape=SMALL)
    np.testing.assert_array_equal(whole.tissues, slabs.tissues)
    np.testing.assert_array_equal(whole.image, slabs.image)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0])
def test_organs_have_textbook_values(phase: float) -> None:
    case = made(6, (96, 96, 40), dataclasses.replace(QUIET, phase=(phase, phase)))
    spread = {"fat": 12, "muscle": 15, "liver": 45, "spleen": 25, "pancreas": 45, "kidney cortex": 45, "artery": 60}
    for name, width in spread.items():
        middle = np.median(case.image[case.tissues == TISSUES[name]])
        assert middle == pytest.approx(hounsfield(name, phase), abs=width), name
    lung, gas = (np.median(case.image[case.tissues == TISSUES[name]]) for name in ("lung", "gas"))
    assert lung < -750 and gas < -500
    assert case.image[case.tissues == TISSUES["cortical bone"]].max() > 300


def test_contrast_medium_reaches_arteries_first() -> None:
    def middle(phase: float, name: str) -> float:
        case = made(6, (96, 96, 40), dataclasses.replace(QUIET, phase=(phase, phase)))
        return float(np.median(case.image[case.tissues == TISSUES[name]]))

    assert middle(1.0, "artery") > middle(2.0, "artery") + 50 > middle(0.0, "artery") + 100
    assert middle(2.0, "liver") > middle(1.0, "liver") > middle(0.0, "liver")


@pytest.mark.parametrize("seed", range(5))
def test_organs_lie_on_their_side(seed: int) -> None:
    case = made(seed)
    liver, spleen, pancreas = (centre(case, name) for name in ("liver", "spleen", "pancreas"))
    spine, kidneys = centre(case, "spongy bone", "spinal canal"), centre(case, "kidney cortex")
    stomach, lung = centre(case, "stomach wall", "stomach content"), centre(case, "lung")
    assert liver[0] > 25 and spleen[0] < -50 and stomach[0] < 0  # x: patient's right is positive
    assert spine[1] < pancreas[1] and kidneys[1] < pancreas[1] < stomach[1]  # y: front is positive
    assert lung[2] > liver[2] > kidneys[2]  # z: head is positive
    assert abs(centre(case, "spinal canal")[0]) < 15


@pytest.mark.parametrize("seed", range(5))
def test_the_pancreas_runs_from_the_right_below_to_the_left_above(seed: int) -> None:
    case = made(seed)
    places = np.argwhere(case.label) @ case.affine[:3, :3].T + case.affine[:3, 3]
    right, left = (
        places[places[:, 0] > np.quantile(places[:, 0], 0.8)],
        places[places[:, 0] < np.quantile(places[:, 0], 0.2)],
    )
    assert right[:, 0].mean() > 10 and left[:, 0].mean() < -20
    assert right[:, 2].mean() < left[:, 2].mean() + 15


def test_the_label_is_never_empty_and_in_one_piece() -> None:
    for seed in range(30):
        case = phantom_case(seed, shape=SMALL)
        assert set(np.unique(case.label)) == {0, 1}
        assert components(case.label)[1] == 1
        millilitres = case.label.sum() * np.linalg.det(case.affine[:3, :3]) / 1000
        assert 15 < millilitres < 160


def test_the_label_is_the_pancreas_of_the_tissue_map() -> None:
    case = phantom_case(8, shape=(128, 128, 60), scanner=QUIET)
    assert dice(case.label > 0, case.tissues == TISSUES["pancreas"]) > 0.85


def test_the_shifted_scanner_differs_as_it_says() -> None:
    own, shifted = (phantom_case(11, scanner=scanner) for scanner in (Scanner(), SHIFTED))
    assert own.phase >= 1.0 and shifted.phase <= 0.9
    assert shifted.image.shape == (96, 96, 32) and shifted.affine[2, 2] == pytest.approx(
        1.25 * own.affine[2, 2], abs=1e-3
    )
    share = [
        (case.tissues == TISSUES["fat"]).sum() / (case.tissues > TISSUES["table"]).sum() for case in (own, shifted)
    ]
    assert share[1] > share[0] + 0.05
    noise = [
        np.std(case.image[binary_erosion(case.tissues == TISSUES["liver"], iterations=3)]) for case in (own, shifted)
    ]
    assert noise[1] > noise[0] + 3


def test_other_ranges_keep_the_person() -> None:
    own = made(11)
    fatter = phantom_case(11, scanner=dataclasses.replace(QUIET, fat=(30.0, 30.0), phase=(0.0, 0.0)))
    assert dice(own.label > 0, fatter.label > 0) > 0.97


def test_a_smoother_kernel_leaves_less_detail() -> None:
    sharp, smooth = (made(1, (96, 96, 40), dataclasses.replace(QUIET, blur=(b, b))).image for b in (0.5, 3.0))
    roughness = [np.abs(np.diff(image.astype(float), axis=0)).mean() for image in (sharp, smooth)]
    assert roughness[1] < 0.9 * roughness[0]


def test_neighbouring_noise_is_correlated_within_the_slice() -> None:
    quiet, noisy = (
        phantom_case(1, shape=(64, 64, 16), spacing=(1.0, 1.0, 6.0), scanner=dataclasses.replace(QUIET, noise=(n, n)))
        for n in (0.0, 20.0)
    )
    noise = noisy.image.astype(float) - quiet.image
    along = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    between = np.corrcoef(noise[..., :-1].ravel(), noise[..., 1:].ravel())[0, 1]
    assert along > 0.25 and abs(between) < 0.1
    assert noise.std() == pytest.approx(20, rel=0.25)


def test_edges_are_partial_volumes() -> None:
    image = made(1).image
    body = made(1).tissues > TISSUES["table"]
    assert ((image[body] > -700) & (image[body] < -200)).mean() > 0.01


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (-1, {}),
        (0, {"shape": (96, 96)}),
        (0, {"shape": (96, 96, 2)}),
        (0, {"spacing": (1.0, 0.0, 1.0)}),
        (0, {"spacing": (1.0, float("nan"), 1.0)}),
        (0, {"spacing": (1.0, 1.0)}),
    ],
)
def test_impossible_grids_are_refused(seed: int, options: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"A phantom needs .* Received: seed=.* Leave spacing out"):
        phantom_case(seed, **options)  # type: ignore[arg-type]
