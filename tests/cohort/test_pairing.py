from __future__ import annotations

from pathlib import Path

import pytest

from atso_monai.cohort import pair_by_name, pairing_table


def paths(*names: str) -> list[Path]:
    return [Path(name if "." in name else f"{name}.nii.gz") for name in names]


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        ("a b", "a", {"a": "a", "b": None}),
        ("a.mha b.nrrd", "a.nii b.nii.gz", {"a": "a.nii", "b": "b"}),
        ("c_0000 d_0000 e_0000", "c d", {"c": "c", "d": "d", "e": None}),
        ("p_1 p_2", "p_1_seg p_2_label", {"p_1": "p_1_seg", "p_2": "p_2_label"}),
        ("x_image y-img", "x_mask y.seg.nii", {"x": "x_mask", "y": "y.seg.nii"}),
        ("x y", "label_x seg-y", {"x": "label_x", "y": "seg-y"}),
        ("a_0000 PANCREAS_0000", "a_0000", {"a_0000": "a_0000", "PANCREAS_0000": None}),
        (
            "PANCREAS_0001 PANCREAS_0002 PANCREAS_0010",
            "label0010 label0001",
            {"PANCREAS_0001": "label0001", "PANCREAS_0002": None, "PANCREAS_0010": "label0010"},
        ),
        ("volume-7 volume-07b", "segmentation-7", None),
        ("BRATS_001_0000", "BRATS_001", {"BRATS_001": "BRATS_001"}),
        ("img0001 img0002", "label0001 label0002", {"img0001": "label0001", "img0002": "label0002"}),
        ("a#1 b%2", "a#1 b%2_seg", {"a#1": "a#1", "b%2": "b%2_seg"}),
    ],
)
def test_labels_find_their_images(images: str, labels: str, expected: dict[str, str | None] | None) -> None:
    pairing = pair_by_name(paths(*images.split()), paths(*labels.split()))

    if expected is None:
        assert "ambiguous (same number, '7')" in pairing.problems[0]
        return
    assert pairing.problems == ()
    wanted = {name: label and paths(label)[0] for name, label in expected.items()}
    assert {pair.id: pair.label for pair in pairing.pairs} == wanted


@pytest.mark.parametrize(
    ("images", "labels", "problem"),
    [
        ("a b", "a c", "label without image: c.nii.gz."),
        ("a b", "a old2", "label without image: old2.nii.gz."),
        ("a.nii a.mha b", "a", "ambiguous (same name, 'a'): a.mha, a.nii and a.nii.gz."),
        ("a b", "a_seg a_gt b", "ambiguous (same name without affixes, 'a'): a.nii.gz and a_gt.nii.gz, a_seg.nii.gz."),
        ("CT_1 MR_1", "label1", "ambiguous (same number, '1'): CT_1.nii.gz, MR_1.nii.gz and label1.nii.gz."),
        ("a.nii a.mha b", "b", "case 'a' has 2 images: a.mha, a.nii."),
        ("a_0000 a_0001", "a", "further channel of a case, but one channel is read: a_0001.nii.gz."),
    ],
)  # fmt: skip
def test_what_names_leave_open_is_a_problem(images: str, labels: str, problem: str) -> None:
    assert problem in pair_by_name(paths(*images.split()), paths(*labels.split())).problems


def test_every_file_appears_once_whatever_the_names() -> None:
    images, labels = paths(*(f"s{n}_0000" for n in range(9))), paths(*(f"s{n}" for n in range(0, 9, 2)))
    pairing = pair_by_name(images[::-1], labels[::-1])

    assert sorted(pair.image for pair in pairing.pairs) == sorted(images)
    assert sorted(pair.label for pair in pairing.pairs if pair.label) == sorted(labels)
    assert pairing == pair_by_name(images, labels)


def test_the_table_shows_pairs_rules_and_problems() -> None:
    pairing = pair_by_name(paths("a", *(f"b{n}" for n in range(30))), paths("a_seg", "zzz"))
    table = pairing_table(pairing, rows=5).splitlines()

    assert table[0] == "31 images, 1 of them with a label:"
    assert table[1] == "  a    a.nii.gz  a_seg.nii.gz  (same name without affixes)"
    assert table[2].split() == ["b0", "b0.nii.gz", "-", "(no", "label)"]
    assert table[6:] == ["  ... and 26 more", "  problem: label without image: zzz.nii.gz."]
