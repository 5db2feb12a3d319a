"""RSTN: what each stage crops and sees, batches, testing, and networks of others in it."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from monai.networks.nets import BasicUNet, DynUNet
from torch import nn

from atso_monai.errors import ConfigError
from atso_monai.losses import CoarseFineLoss
from atso_monai.networks import RSTN, CoarseFine, FCN8s, SpaceToDepth, rstn_parameter_groups

SMALL: dict[str, Any] = {"channels": [4, 4, 6, 6, 8], "convolutions": [1, 1, 1, 1, 1], "hidden": 8}


class Probe(nn.Module):
    """Gives logits of a constant, or of its input, and keeps what it saw."""

    def __init__(self, logit: float | None = None) -> None:
        super().__init__()
        self.logit, self.seen = logit, torch.zeros(0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen = image.detach().clone()
        return image if self.logit is None else torch.full_like(image, self.logit)


class Rescale(nn.Module):
    """Finds what is brighter than a half."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 4 * image - 2


def probes(coarse: float = -9.0, **settings: Any) -> RSTN:
    return RSTN(Probe(coarse), Probe(), divisible=1, **{"margin": 2, **settings}).eval()


def small(seed: int = 0, **settings: Any) -> RSTN:
    torch.manual_seed(seed)
    model = RSTN(FCN8s(**SMALL), FCN8s(**SMALL), margin=4, **settings)
    for name, value in model.named_parameters():
        if "score_" in name:
            nn.init.normal_(value)
    return model


def slices(count: int = 1, height: int = 20, width: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Images without zeros, and labels that move from item to item."""
    image = torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(count)) + 0.1
    label = torch.zeros_like(image)
    for item in range(count):
        label[item, 1, 5 + item : 9 + item, 6 + 2 * item : 10 + 2 * item] = 1
    return image, label


def test_stage_s_shows_the_fine_network_the_image_in_the_box_of_the_label() -> None:
    model, (image, label) = probes(), slices()
    coarse, fine = model(image, label=label, stage="S")
    inside = (slice(None), slice(None), slice(3, 11), slice(4, 12))
    assert torch.equal(model.fine_model.seen, image[inside])
    assert torch.equal(fine[inside], torch.sigmoid(image[inside]))
    assert float(fine.sum()) == pytest.approx(float(fine[inside].sum()))
    torch.testing.assert_close(coarse, torch.full_like(image, -9).sigmoid())


def test_stage_i_shows_it_the_image_times_the_saliency_of_the_coarse_result() -> None:
    model, (image, label) = probes(), slices()
    nn.init.normal_(model.saliency2.weight)
    coarse = model(image, label=label, stage="I").coarse
    weights = model.saliency2(torch.relu(model.saliency1(coarse)))
    torch.testing.assert_close(model.fine_model.seen, (image * weights)[..., 3:11, 4:12])


def test_stage_j_takes_the_box_of_the_coarse_result_and_of_the_label_where_that_is_empty() -> None:
    image, label = slices()
    for logit, expected in ((0.0, (20, 24)), (-0.1, (8, 8))):
        model = probes(logit)
        model(image, label=label, stage="J")
        assert model.fine_model.seen.shape[-2:] == expected


@pytest.mark.parametrize("stage", ["S", "I", "J"])
def test_an_item_with_nothing_to_go_by_is_seen_whole(stage: str) -> None:
    model, (image, label) = probes(), slices()
    _, fine = model(image, label=torch.zeros_like(label), stage=stage)
    assert model.fine_model.seen.shape == image.shape
    assert (fine > 0).all()


def test_in_a_batch_each_item_is_zeroed_outside_its_own_box_and_all_are_cropped_to_the_common_one() -> None:
    model, (image, label) = probes(), slices(3)
    model(image, label=label, stage="S")
    expected = torch.zeros_like(image)
    for item in range(3):
        own = (item, slice(None), slice(3 + item, 11 + item), slice(4 + 2 * item, 12 + 2 * item))
        expected[own] = image[own]
    assert torch.equal(model.fine_model.seen, expected[..., 3:13, 4:16])


def test_margins_vary_in_training_by_the_seed_of_torch_and_are_fixed_in_evaluation() -> None:
    image, label = slices(height=60, width=60)
    model = probes(margin=6)
    sizes: dict[bool, list[tuple[int, ...]]] = {True: [], False: []}
    for training in (True, True, False):
        torch.manual_seed(0)
        model.train(training)
        for _ in range(20):
            model(image, label=label, stage="S")
            sizes[training].append(tuple(model.fine_model.seen.shape))
    assert len(set(sizes[True])) > 5
    assert sizes[True][:20] == sizes[True][20:]
    assert set(sizes[False]) == {(1, 3, 4 + 11, 4 + 12)}


def test_refine_weighs_by_the_score_and_crops_to_the_mask_of_each_item() -> None:
    model, (image, mask) = probes(), slices(3)
    mask[1] = 0
    score = torch.rand(image.shape, generator=torch.Generator().manual_seed(5))
    fine = model.refine(image, score=score, mask=mask.bool())
    assert fine.shape == image.shape
    assert fine[1].abs().max() == 0
    assert int((fine[0] > 0).sum()) == 3 * 8 * 8
    for item in (0, 2):
        one = slice(item, item + 1)
        alone = model.refine(image[one], score=score[one], mask=mask[one])
        torch.testing.assert_close(fine[one], alone)


def test_refine_of_an_empty_mask_is_empty_and_runs_no_network() -> None:
    model, (image, mask) = probes(), slices()
    fine = model.refine(image, score=image, mask=torch.zeros_like(mask))
    assert fine.shape == image.shape
    assert fine.abs().max() == 0
    assert model.fine_model.seen.numel() == 0


def test_without_a_label_evaluation_is_one_round_of_testing() -> None:
    model, (image, _) = small().eval(), slices()
    coarse = model.coarse_probability(image)
    assert torch.equal(model(image), model.refine(image, score=coarse, mask=coarse >= 0.5))


def test_a_traced_copy_has_the_boxes_of_the_image_it_gets() -> None:
    first, second = torch.zeros(2, 1, 3, 20, 24)
    first[..., 2:5, 2:5], second[..., 10:14, 12:20] = 1, 1
    model = RSTN(Rescale(), Rescale(), divisible=1, margin=2).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(model, first)
    for image in (first, second):
        assert 0 < int((model(image) > 0).sum()) < 500
        torch.testing.assert_close(traced(image), model(image))


def test_gradients_reach_the_coarse_network_through_the_saliency_once_that_has_learned() -> None:
    (image, label), model = slices(2), small().eval()
    for weight, reached in ((0.0, False), (0.5, True)):
        nn.init.constant_(model.saliency2.weight, weight)
        model.zero_grad()
        model(image, label=label, stage="I").fine.sum().backward()
        gradient = model.coarse_model.conv1_1.weight.grad
        assert (gradient is not None and float(gradient.abs().max()) > 0) == reached


def networks_of_others() -> list[tuple[str, nn.Module]]:
    torch.manual_seed(0)
    group = ("GROUP", {"num_groups": 2, "affine": True})
    dyn = DynUNet(2, 3, 3, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 4, 8], norm_name=group)
    folded = DynUNet(2, 12, 12, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 4, 8], norm_name=group)
    return [
        ("BasicUNet", BasicUNet(2, 3, 3, features=(4, 4, 4, 8, 8, 4))),
        ("DynUNet", dyn),
        ("SpaceToDepth", SpaceToDepth(folded, factor=2, divisible=8)),
        ("FCN8s", FCN8s(**SMALL)),
    ]


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("size", [(35, 43), (9, 5)])
def test_any_2d_network_works_with_crops_and_images_of_any_size(index: int, size: tuple[int, int]) -> None:
    name, network = networks_of_others()[index]
    image, label = slices(2, *size)
    model = RSTN(network, copy.deepcopy(network), margin=3).train()
    for stage in "SIJ":
        output = model(image, label=label, stage=stage)
        assert isinstance(output, CoarseFine), name
        assert all(one.shape == image.shape and one.isfinite().all() for one in output)
        sum(one.sum() for one in output).backward()


def test_bfloat16_gives_float32_near_the_full_precision_result() -> None:
    image, label = slices(2, 40, 40)
    full, reduced = small().eval(), small(autocast="bfloat16").eval()
    for one, other in zip(full(image, label, "I"), reduced(image, label, "I"), strict=True):
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        torch.testing.assert_close(one, other, rtol=0, atol=0.05)


def test_it_runs_under_the_mixed_precision_of_a_trainer() -> None:
    (image, label), model = slices(), small().eval()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(image, label, "J")
    assert all(one.dtype == torch.float32 for one in output)
    assert not torch.equal(output.coarse, model(image, label, "J").coarse)


def test_copies_and_state_dicts_give_the_same_output() -> None:
    (image, label), model = slices(), small().eval()
    filled = small(seed=1).eval()
    filled.load_state_dict(model.state_dict())
    for one in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), filled):
        for a, b in zip(one(image, label, "I"), model(image, label, "I"), strict=True):
            assert torch.equal(a, b)


def test_the_saliency_can_be_drawn_anew_by_a_seed_and_nothing_else_changes() -> None:
    model = small()
    before = copy.deepcopy(model.state_dict())
    nn.init.normal_(model.saliency2.weight)
    first = copy.deepcopy(model.redraw_saliency(1).state_dict())
    second = model.redraw_saliency(2).state_dict()
    assert not torch.equal(first["saliency1.weight"], second["saliency1.weight"])
    assert first["saliency2.weight"].abs().max() == 0
    assert {key for key in before if not torch.equal(before[key], first[key])} == {"saliency1.weight"}
    assert torch.equal(model.redraw_saliency(1).saliency1.weight, first["saliency1.weight"])


def test_inputs_stay_as_they_were() -> None:
    (image, label), model = slices(2), small()
    copies = image.clone(), label.clone()
    for stage in "SIJ":
        model(image, label, stage)
    model.refine(image, score=label, mask=label)
    assert torch.equal(image, copies[0])
    assert torch.equal(label, copies[1])


def test_fcn_8s_learns_in_every_stage_from_its_start_with_scores_of_zero() -> None:
    torch.manual_seed(0)
    wide: dict[str, Any] = {"channels": [8, 16, 16, 32, 32], "convolutions": [1, 1, 1, 1, 1], "hidden": 32}
    model, loss = RSTN(FCN8s(**wide), FCN8s(**wide), margin=8), CoarseFineLoss()
    optimiser = torch.optim.AdamW(rstn_parameter_groups(model, lr=2e-3, fine_factor=1))
    label = torch.zeros(2, 3, 48, 48)
    label[0, :, 8:40, 12:36], label[1, :, 20:44, 16:44] = 1, 1
    image = 0.5 * label + 0.5 * torch.rand(label.shape)
    for stage in "SIJ":
        losses = []
        for _ in range(20):
            optimiser.zero_grad()
            value = loss(model(image, label, stage), label)
            value.backward()
            optimiser.step()
            losses.append(value.item())
        assert sum(losses[-5:]) < sum(losses[:5])
    assert sum(losses[-5:]) / 5 < 0.35


def test_calls_that_cannot_work_are_refused() -> None:
    (image, label), model = slices(), small()
    with pytest.raises(ConfigError, match=r"stage must be one of S, I, J\. Received: 'K'"):
        model(image, label=label, stage="K")
    with pytest.raises(ValueError, match=r"needs a label in training\. Received: none"):
        model(image, stage="J")
    with pytest.raises(ValueError, match="stage S needs a label"):
        model.eval()(image, stage="S")
    with pytest.raises(ValueError, match=r"image must be \(N, 3, H, W\)\. Received: \(1, 2, 20, 24\)"):
        model(image[:, :2], label=label)
    with pytest.raises(ValueError, match=r"label must have the image's shape \(1, 3, 20, 24\)"):
        model(image, label=label[..., 1:])
    with pytest.raises(ValueError, match="mask must have the image's shape"):
        model.refine(image, score=image, mask=label[..., 1:])
    with pytest.raises(ValueError, match=r"one logit per pixel and slice.*from Conv2d"):
        RSTN(nn.Conv2d(3, 2, 1), nn.Identity())(image, label)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"stage": "X"}, "stage must be one of"),
        ({"autocast": "float16"}, "autocast must be"),
        ({"margin": -1}, "margin at least 0"),
        ({"divisible": 0}, "divisible must be at least 1"),
        ({"channels": 0}, "channels and"),
    ],
)
def test_settings_that_cannot_work_are_refused(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        RSTN(nn.Identity(), nn.Identity(), **setting)


def test_one_network_cannot_be_both() -> None:
    network = nn.Identity()
    with pytest.raises(ConfigError, match="must be two networks"):
        RSTN(network, network)
