"""Scans that are crops of one another: one patient under two names, on both sides of a split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

from atso_monai.cohort.problem import Problem
from atso_monai.cohort.volume_checks import Use
from atso_monai.volume_file import VolumeFacts

_SHARE = 0.02  # of the smaller sketch; scans of different people share none
_LEAST = 3


def near_copies(uses: Iterable[Use], facts: Mapping[Path, VolumeFacts]) -> Iterator[Problem]:
    """Images that share patches with an image of another role, or with another reference image.

    Found are crops: fewer slices, a moved or smaller field of view, another orientation or number type of the file,
    an added constant. Files with the very same voxels are left to the check of content.
    """
    images = [use for use in uses if use.kind == "image" and use.path in facts]
    owners: dict[int, list[int]] = defaultdict(list)
    for index, use in enumerate(images):
        for value in facts[use.path].sketch:
            owners[value].append(index)
    shared = Counter(pair for found in owners.values() for pair in combinations(found, 2))
    for (one, other), count in sorted(shared.items()):
        first, second = images[one], images[other]
        sizes = [len(facts[use.path].sketch) for use in (first, second)]
        separate = first.role != second.role or first.role == "reference"
        same = facts[first.path].content == facts[second.path].content
        if separate and not same and count >= max(_LEAST, _SHARE * min(sizes)):
            what = (
                f"the image shows the same scan as {first.role} case {first.case!r}, cropped otherwise ({first.path}): "
                f"{count} of {min(sizes)} sampled patches are the same"
            )
            yield second.problem(what, "One scan under two names leaks from role to role: take one of the cases out.")
