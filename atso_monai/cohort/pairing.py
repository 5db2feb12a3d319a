"""Which label file belongs to which image, by name alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from atso_monai.volume_file import case_id

_T = TypeVar("_T")

_IMAGE_AFFIX = re.compile(r"^(?:image|img)[._-](?=.)|(?<=.)(?:_0000|[._-](?:image|img))$", re.IGNORECASE)
_LABEL_AFFIX = re.compile(
    r"^(?:labels?|seg|mask|gt)[._-](?=.)|(?<=.)[._-](?:labels?|seg|segmentation|mask|gt)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Pair:
    """An image, its label if it has one, and what told that they belong together.

    Attributes:
        id: the case id: the name that both share, or the image's own.
        image: volume file.
        label: volume file, or None for a case without label.
        rule: "same name", "same name without affixes", "same number", or "no label".
    """

    id: str
    image: Path
    label: Path | None
    rule: str


@dataclass(frozen=True)
class Pairing:
    """The pairs that names tell, sorted by id, and what they leave open, one sentence each."""

    pairs: tuple[Pair, ...]
    problems: tuple[str, ...]


def pair_by_name(images: Iterable[Path], labels: Iterable[Path]) -> Pairing:
    """Find the image of each label file.

    Three rules: the same name; for files left, the same name without the usual affixes (``_0000``, ``_img``, ``_image``
    of images; ``_seg``, ``_label``, ``_mask``, ``_gt``, ``label_``, ... of labels); where names told nothing at all,
    the same numbers, as in ``PANCREAS_0001`` and ``label0001``. A match counts only where one image meets one label.
    """
    matcher = _Matcher(images, labels)
    matcher.match("same name", case_id, case_id, case_id)
    matcher.match("same name without affixes", _image_stem, _label_stem, _image_stem)
    if not matcher.pairs:
        matcher.match("same number", _numbers, _numbers, case_id)
    matcher.close()
    return Pairing(tuple(sorted(matcher.pairs, key=lambda pair: pair.id)), tuple(matcher.problems))


def pairing_table(pairing: Pairing, rows: int = 20) -> str:
    """The pairing as text for people: a line that counts, then one line per case (at most ``rows``), then problems."""
    labelled = sum(pair.label is not None for pair in pairing.pairs)
    lines = [f"{len(pairing.pairs)} images, {labelled} of them with a label:"]
    shown = pairing.pairs[:rows]
    width = max((len(pair.id) for pair in shown), default=0)
    for pair in shown:
        label = pair.label.name if pair.label else "-"
        lines.append(f"  {pair.id:{width}}  {pair.image.name}  {label}  ({pair.rule})")
    if len(pairing.pairs) > rows:
        lines.append(f"  ... and {len(pairing.pairs) - rows} more")
    return "\n".join(lines + [f"  problem: {problem}" for problem in pairing.problems])


class _Matcher:
    """Files still to be paired, pairs found, problems found."""

    def __init__(self, images: Iterable[Path], labels: Iterable[Path]) -> None:
        self.images, self.labels = sorted(images), sorted(labels)
        self.pairs: list[Pair] = []
        self.problems: list[str] = []

    def match(
        self, rule: str, image_key: Callable[[Path], str], label_key: Callable[[Path], str], name: Callable[[Path], str]
    ) -> None:
        """Pair the files left that have a key in common; several files with one key are a problem."""
        by_image, by_label = _grouped(self.images, image_key), _grouped(self.labels, label_key)
        common = dict.fromkeys(key for key in by_image if key and key in by_label)
        for key in common:
            images, labels = by_image[key], by_label[key]
            if len(images) == len(labels) == 1:
                self.pairs.append(Pair(name(images[0]), images[0], labels[0], rule))
            else:
                self.problems.append(f"ambiguous ({rule}, {key!r}): {_names(images)} and {_names(labels)}.")
        self.images = [path for path in self.images if image_key(path) not in common]
        self.labels = [path for path in self.labels if label_key(path) not in common]

    def close(self) -> None:
        """Images left have no label; labels left are orphans; a case is one image."""
        channels = [path for path in self.images if self._is_channel(path)]
        stem = _image_stem if any("affixes" in pair.rule for pair in self.pairs) else case_id
        self.pairs += [Pair(stem(path), path, None, "no label") for path in self.images if path not in channels]
        self.problems += [f"label without image: {path}." for path in self.labels]
        self.problems += [f"further channel of a case, but one channel is read: {path}." for path in channels]
        for name, pairs in _grouped(self.pairs, lambda pair: pair.id).items():
            if len(pairs) > 1:
                self.problems.append(f"case {name!r} has {len(pairs)} images: {_names(p.image for p in pairs)}.")

    def _is_channel(self, image: Path) -> bool:
        """Whether ``image`` is the ``x_0001`` to a paired ``x_0000``: nnU-Net's second channel of case ``x``."""
        name = case_id(image)
        return bool(re.search(r"_\d{4}$", name)) and any(
            case_id(pair.image) == f"{name[:-4]}0000" and pair.id == name[:-5] for pair in self.pairs
        )


def _grouped(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    groups: dict[str, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _image_stem(path: Path) -> str:
    return _IMAGE_AFFIX.sub("", case_id(path))


def _label_stem(path: Path) -> str:
    return _LABEL_AFFIX.sub("", case_id(path))


def _numbers(path: Path) -> str:
    """All numbers in a name without leading zeros: ``CT_02_0001`` gives ``2/1``; empty where there are none."""
    return "/".join(str(int(digits)) for digits in re.findall(r"\d+", case_id(path)))


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name for path in paths)
