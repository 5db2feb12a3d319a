"""What a check finds, and the report that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LINES = 50


@dataclass(frozen=True)
class Problem:
    """Something that makes a cohort unusable.

    Attributes:
        case: id of the case, or empty where the cohort as a whole is meant.
        file: path of the file, or empty where no file is at fault.
        what: what is wrong, with the values found.
        way_out: what to do about it; the same text for the same kind of problem.
    """

    case: str
    file: str
    what: str
    way_out: str

    def __str__(self) -> str:
        place = f"case {self.case!r}" if self.case else "cohort"
        return f"{place}{f', {self.file}' if self.file else ''}: {self.what}"


def report(problems: Sequence[Problem], name: str, most_lines: int = MOST_LINES) -> str:
    """All problems of cohort ``name`` as text: counted, grouped by way out, about ``most_lines`` lines of problems.

    Every group shows some of its problems, however many another group has, and says how many it leaves out.
    """
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.way_out, []).append(problem)
    cases = len({problem.case for problem in problems} - {""})
    lines = [f"Cohort {name!r} cannot be used: {_count(len(problems), 'problem')} in {_count(cases, 'case')}."]
    shares = _shares([len(found) for found in groups.values()], most_lines)
    for (way_out, found), share in zip(groups.items(), shares, strict=True):
        lines.append(f"{_count(len(found), 'problem')}. {way_out}")
        lines += [f"  {problem}" for problem in found[:share]]
        if len(found) > share:
            lines.append(f"  ... and {len(found) - share} more")
    return "\n".join(lines)


def _shares(sizes: list[int], total: int) -> list[int]:
    """Lines for each group: at least one, small groups in full first, large ones share what is left."""
    shares = [0] * len(sizes)
    left, order = total, sorted(range(len(sizes)), key=lambda k: sizes[k])
    for position, k in enumerate(order):
        shares[k] = max(1, min(sizes[k], left // (len(order) - position)))
        left -= shares[k]
    return shares


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
